//! Every path of the server, as one warp filter: the WebSocket's, and those of the HTTP part.

use std::sync::Arc;

use warp::http::{HeaderMap, Method};
use warp::path::FullPath;
use warp::{Filter, Reply};

use super::access::Caller;
use super::connection::{Peer, Written};
use super::problem::{Problem, recover};
use super::{Server, app, rest, upgrade};
use crate::metrics::Metrics;
use crate::protocol::{Code, Route};
use crate::shutdown::Watch;

/// Every route of the server.
pub(super) fn all(
    server: Arc<Server>,
    watch: Watch,
) -> impl Filter<Extract = (impl Reply,), Error = std::convert::Infallible> + Clone {
    let metrics = server.metrics.clone();
    let app = app::routes(server.clone());
    let with_server = warp::any().map(move || server.clone());
    let with_watch = warp::any().map(move || watch.clone());
    let headers = warp::header::headers_cloned;

    let connect = warp::path!("v1" / "connect")
        .and(warp::get())
        .and(with_server.clone())
        .and(with_watch.clone())
        .and(headers())
        .and(warp::ext::optional())
        .and(warp::ext::optional::<Written>())
        .and(warp::ext::get())
        .map(|server, watch, headers: HeaderMap, on_upgrade, written, peer| {
            answer(upgrade::upgrade(server, watch, &headers, on_upgrade, written, peer))
        });

    let no_socket = warp::path!("v1" / "connect")
        .and(warp::method())
        .map(|method| answer(rest::not_among(vec![Route::Connect.method()], &method)));

    let request = with_server.and(with_watch).and(warp::query()).and(headers()).and(warp::ext::get()).map(
        |server: Arc<Server>, watch: Watch, query, headers, peer: Peer| rest::Request {
            address: server.proxies.client(peer.address, &headers),
            over: peer.over,
            server,
            phase: watch.phase(),
            parts: Default::default(),
            query,
            headers,
            body: bytes::Bytes::new(),
            caller: Caller::nobody(),
        },
    );
    let http = warp::path::full()
        .and_then(|path: FullPath| async move {
            let found = rest::find(path.as_str());
            found.map(|endpoints| (endpoints, path.as_str().to_owned())).ok_or_else(warp::reject::not_found)
        })
        .untuple_one()
        .and(warp::method())
        .and(request)
        .and(warp::body::stream())
        .then(|endpoints, path, method: Method, request: rest::Request, body| async move {
            let server = request.server.clone();
            let origin = server.origins.allowed(&request.headers);
            let mut answered = answer(rest::answer(endpoints, method, path, request, body).await);
            server.origins.mark(origin, &mut answered);
            answered
        });

    connect.or(no_socket).or(http).or(app).recover(recover).map(move |reply| counted(&metrics, reply))
}

/// An answer on its way out, counted.
fn counted(metrics: &Metrics, reply: impl Reply) -> warp::reply::Response {
    let response = reply.into_response();
    metrics.requests.with_label_values(&[response.status().as_str()]).inc();
    if let Some(code) = response.extensions().get::<Code>() {
        metrics.errors.with_label_values(&["http", code.as_str()]).inc();
    }
    response
}

/// A handler's answer, whichever way it went.
fn answer<R: Reply>(result: Result<R, Problem>) -> warp::reply::Response {
    match result {
        Ok(reply) => reply.into_response(),
        Err(problem) => problem.into_response(),
    }
}
