//! Bodies: a request's, of bounded length and in bounded time, and an answer's.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use warp::http::{Response, StatusCode, header};

use super::endpoint::Answer;
use crate::limits::{Limits, named};
use crate::protocol::Code;
use crate::server::Server;
use crate::server::held::Share;
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
    let mut share = server.held.share();
    match tokio::time::timeout(body_time, gather(body, body_bytes, &mut share)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => {
            server.metrics.limit_hit(named::body_bytes);
            Err(Problem::new(Code::TooLarge, format!("the body is over the limit of {body_bytes} bytes")))
        }
        Ok(Err(Broken::Off(problem))) => Err(problem),
        Ok(Err(Broken::Full)) => {
            server.metrics.limit_hit(named::unfinished_bytes);
            let message = "the server holds as much of unfinished bodies as it may; try again in a moment".to_owned();
            Err((Code::RateLimited, message, Some(RETRY_MS)).into())
        }
        Err(_) => {
            server.metrics.limit_hit(named::body_time);
            Err(Problem::new(Code::BadMessage, format!("the body did not arrive within {} s", body_time.as_secs_f32())))
        }
    }
}

/// When to come again where there was no room for a body.
const RETRY_MS: u64 = 1_000;

/// Why a body was not read to its end.
enum Broken {
    /// It ended early.
    Off(Problem),
    /// There is no room for what is under way.
    Full,
}

/// None if it is longer than that.
async fn gather(body: impl Incoming, most: usize, share: &mut Share) -> Result<Option<Bytes>, Broken> {
    let mut body = std::pin::pin!(body);
    let mut gathered = BytesMut::new();
    while let Some(piece) = body.next().await {
        let off = |error| Broken::Off(Problem::new(Code::BadMessage, format!("the body broke off: {error}")));
        let mut piece = piece.map_err(off)?;
        if gathered.len() + piece.remaining() > most {
            return Ok(None);
        }
        if !share.grow(piece.remaining()) {
            return Err(Broken::Full);
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
