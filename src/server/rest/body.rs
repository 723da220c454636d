//! Bodies: a request's, of bounded length and in bounded time, and an answer's.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use warp::http::{Response, StatusCode, header};

use super::endpoint::Answer;
use crate::limits::{Limits, named};
use crate::protocol::Code;
use crate::server::Server;
use crate::server::problem::Problem;

/// A body that comes in, piece by piece, as warp hands it over.
pub(in crate::server) trait Incoming: Stream<Item = Result<Self::Piece, warp::Error>> + Send {
    type Piece: Buf + Send;
}

impl<S: Stream<Item = Result<B, warp::Error>> + Send, B: Buf + Send> Incoming for S {
    type Piece = B;
}

/// Reads a body to its end.
pub(super) async fn read_body(body: impl Incoming, server: &Server) -> Result<Bytes, Problem> {
    let Limits { body_time, body_bytes, .. } = server.limits;
    match tokio::time::timeout(body_time, gather(body, body_bytes)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => {
            server.metrics.limit_hit(named::body_bytes);
            Err(Problem::new(Code::TooLarge, format!("the body is over the limit of {body_bytes} bytes")))
        }
        Ok(Err(broken)) => Err(broken),
        Err(_) => {
            server.metrics.limit_hit(named::body_time);
            Err(Problem::new(Code::BadMessage, format!("the body did not arrive within {} s", body_time.as_secs_f32())))
        }
    }
}

/// None if it is longer than that.
async fn gather(body: impl Incoming, most: usize) -> Result<Option<Bytes>, Problem> {
    let mut body = std::pin::pin!(body);
    let mut gathered = BytesMut::new();
    while let Some(piece) = body.next().await {
        let mut piece =
            piece.map_err(|error| Problem::new(Code::BadMessage, format!("the body broke off: {error}")))?;
        if gathered.len() + piece.remaining() > most {
            return Ok(None);
        }
        while piece.has_remaining() {
            let chunk = piece.chunk();
            gathered.extend_from_slice(chunk);
            let read = chunk.len();
            piece.advance(read);
        }
    }
    Ok(Some(gathered.freeze()))
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).expect("the protocol's bodies are JSON");
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    Ok(response.body(body.into()).expect("every header is well-formed"))
}
