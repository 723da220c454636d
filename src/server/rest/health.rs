//! Whether the process is alive, whether requests should be sent here, and what it counts.

use serde::Serialize;
use warp::http::{Response, StatusCode, header};

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use crate::metrics;
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

/// `GET /metrics`
pub(super) async fn metrics(request: Request) -> Answer {
    let answer = Response::builder().header(header::CONTENT_TYPE, metrics::CONTENT_TYPE);
    Ok(answer.body(request.server.metrics_text().into()).expect("every header is well-formed"))
}
