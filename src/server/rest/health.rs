//! Whether the process is alive, and whether requests should be sent here.

use serde::Serialize;
use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use crate::protocol::Code;
use crate::server::problem::Problem;
use crate::shutdown::Phase;
use crate::store::Condition;

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

const OK: Status = Status { status: "ok" };

/// `GET /health`
pub(super) async fn health(_: Request) -> Answer {
    json(StatusCode::OK, &OK)
}

/// `GET /ready`
pub(super) async fn ready(request: Request) -> Answer {
    if request.phase != Phase::Serving {
        return Err(Problem::new(Code::ShuttingDown, "the server is shutting down"));
    }
    match request.server.hub.store().condition() {
        Condition::Good => json(StatusCode::OK, &OK),
        Condition::Failing(reason) | Condition::ReadOnly(reason) => Err(Problem::new(Code::StorageUnavailable, reason)),
    }
}
