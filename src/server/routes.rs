//! The paths of the HTTP part, as warp filters.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use warp::http::HeaderMap;
use warp::{Filter, Rejection, Reply};

use super::connection::Written;
use super::problem::{Problem, recover};
use super::{Server, rest, upgrade};
use crate::document::DocumentId;
use crate::limits::Limits;
use crate::protocol::Code;
use crate::shutdown::{Phase, Watch};

/// Parameters of a query, by name.
pub(super) type Query = HashMap<String, String>;

/// Every route of the server.
pub(super) fn all(
    server: Arc<Server>,
    watch: Watch,
) -> impl Filter<Extract = (impl Reply,), Error = std::convert::Infallible> + Clone {
    let with_server = {
        let server = server.clone();
        warp::any().map(move || server.clone())
    };
    let with_watch = warp::any().map(move || watch.clone());
    let headers = warp::header::headers_cloned;

    let connect = warp::path!("v1" / "connect")
        .and(warp::get())
        .and(with_server.clone())
        .and(with_watch.clone())
        .and(headers())
        .and(warp::ext::optional())
        .and(warp::ext::optional::<Written>())
        .map(|server, watch, headers: HeaderMap, on_upgrade, written| {
            answer(upgrade::upgrade(server, watch, &headers, on_upgrade, written))
        });

    let health = warp::path!("health").and(warp::get()).map(|| warp::reply::json(&rest::Alive::default()));
    let ready = warp::path!("ready")
        .and(warp::get())
        .and(with_server.clone())
        .and(with_watch.clone())
        .map(|server: Arc<Server>, watch: Watch| answer(rest::ready(&server, watch.phase())));

    // New work is refused while the server goes away; health and readiness still answer.
    let serving = with_watch.and_then(|watch: Watch| async move {
        match watch.phase() {
            Phase::Serving => Ok(()),
            _ => Err(warp::reject::custom(Problem::new(Code::ShuttingDown, "the server is shutting down"))),
        }
    });
    let serving = serving.untuple_one().and(with_server);

    let create = warp::path!("v1" / "docs" / String)
        .and(warp::put())
        .and(serving.clone())
        .and(document_body(server.limits.clone()))
        .then(|id: String, server: Arc<Server>, body: Bytes| async move {
            answer(async { rest::create(&server, document_id(&id)?, &body).await }.await)
        });
    let read =
        warp::path!("v1" / "docs" / String).and(warp::get()).and(serving.clone()).and(query()).and(headers()).then(
            |id: String, server: Arc<Server>, query: Query, headers: HeaderMap| async move {
                answer(async { rest::read(&server, document_id(&id)?, &query, &headers).await }.await)
            },
        );
    let content = warp::path!("v1" / "docs" / String / "content")
        .and(warp::get())
        .and(serving.clone())
        .and(query())
        .and(headers())
        .then(|id: String, server: Arc<Server>, query: Query, headers: HeaderMap| async move {
            answer(async { rest::content(&server, document_id(&id)?, &query, &headers).await }.await)
        });
    let revisions = warp::path!("v1" / "docs" / String / "revisions")
        .and(warp::get())
        .and(serving.clone())
        .and(query())
        .and(headers())
        .then(|id: String, server: Arc<Server>, query: Query, headers: HeaderMap| async move {
            answer(async { rest::revisions(&server, document_id(&id)?, &query, &headers).await }.await)
        });
    let edits = warp::path!("v1" / "docs" / String / "edits")
        .and(warp::post())
        .and(serving)
        .and(headers())
        .and(document_body(server.limits.clone()))
        .then(|id: String, server: Arc<Server>, headers: HeaderMap, body: Bytes| async move {
            answer(async { rest::edit(&server, document_id(&id)?, &headers, &body).await }.await)
        });

    // Boxed once, so that the type of the whole does not grow with every route.
    let documents = create.or(read).unify().or(content).unify().or(revisions).unify().or(edits).unify().boxed();
    connect.or(health).or(ready).or(documents).recover(recover)
}

/// A handler's answer, whichever way it went.
fn answer<R: Reply>(result: Result<R, Problem>) -> warp::reply::Response {
    match result {
        Ok(reply) => reply.into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// The id in a path, which may be percent-encoded.
fn document_id(encoded: &str) -> Result<DocumentId, Problem> {
    let decoded = percent_encoding::percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| Problem::new(Code::BadDocumentId, "the document id in the path is not UTF-8"))?;
    decoded
        .parse()
        .map_err(|error: crate::document::BadDocumentId| Problem::new(Code::BadDocumentId, error.to_string()))
}

fn query() -> impl Filter<Extract = (Query,), Error = Rejection> + Clone {
    warp::query::<Query>()
}

/// A request's body, of bounded length and in bounded time.
fn document_body(limits: Limits) -> impl Filter<Extract = (Bytes,), Error = Rejection> + Clone {
    let limits = Arc::new(limits);
    warp::body::stream().and_then(move |body| {
        let limits = limits.clone();
        async move {
            let read = tokio::time::timeout(limits.body_time, gather(body, limits.body_bytes)).await;
            let late = || {
                let seconds = limits.body_time.as_secs();
                Problem::new(Code::BadMessage, format!("the body did not arrive within {seconds} s"))
            };
            read.unwrap_or_else(|_| Err(late())).map_err(warp::reject::custom)
        }
    })
}

async fn gather(body: impl Stream<Item = Result<impl Buf, warp::Error>>, most: usize) -> Result<Bytes, Problem> {
    let mut body = std::pin::pin!(body);
    let mut gathered = BytesMut::new();
    while let Some(piece) = body.next().await {
        let mut piece =
            piece.map_err(|error| Problem::new(Code::BadMessage, format!("the body broke off: {error}")))?;
        if gathered.len() + piece.remaining() > most {
            return Err(Problem::new(Code::TooLarge, format!("the body is over the limit of {most} bytes")));
        }
        while piece.has_remaining() {
            let chunk = piece.chunk();
            gathered.extend_from_slice(chunk);
            let read = chunk.len();
            piece.advance(read);
        }
    }
    Ok(gathered.freeze())
}
