//! The way from a request to a WebSocket, with our own settings: warp's and hyper's cost 134 KiB a connection.

use std::sync::Arc;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::debug;
use warp::http::{HeaderMap, Method, Response, StatusCode, header, response};

use super::connection::{Peer, Written};
use super::crowd::Over;
use super::outbox::Outbox;
use super::problem::Problem;
use super::wire::Wire;
use super::{Server, hello};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::protocol::{Code, SUBPROTOCOL, close};
use crate::shutdown::{Phase, Watch};

/// Bytes read from a socket at once: room for several edits. It is allocated for each connection, idle ones included.
pub(crate) const READ_BUFFER: usize = 512;

/// Answers a request for a WebSocket, and serves it once hyper has handed the connection over.
pub(super) fn upgrade(
    server: Arc<Server>,
    watch: Watch,
    headers: &HeaderMap,
    on_upgrade: Option<OnUpgrade>,
    written: Option<Written>,
    peer: Peer,
) -> Result<warp::reply::Response, Problem> {
    server.origins.ask(&Method::GET, true, headers)?;
    if watch.phase() >= Phase::Draining {
        return Err(Problem::new(Code::ShuttingDown, "the server is shutting down"));
    }
    let has = |name: header::HeaderName, wanted: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let (Some(key), Some(on_upgrade), true, true, true) = (
        key,
        on_upgrade,
        has(header::UPGRADE, "websocket"),
        has(header::CONNECTION, "upgrade"),
        has(header::SEC_WEBSOCKET_VERSION, "13"),
    ) else {
        return Err(Problem::new(Code::BadMessage, "this path speaks WebSocket, version 13; the request does not"));
    };
    if !has(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        let message = format!("the request must offer the subprotocol {SUBPROTOCOL}");
        return Err(Problem::new(Code::UnsupportedProtocol, message));
    }
    let accept = derive_accept_key(key.as_bytes());
    let address = server.proxies.client(peer.address, headers);
    let through = (address != peer.address).then(|| server.crowd.connect_through(address, &server.limits)).transpose();
    if let Err(Over(limit)) = through {
        server.metrics.limit_hit(limit);
    }
    // Each stage is boxed for itself and makes the next: a connection then takes the room of the stage it is in, and its task
    // hardly any.
    tokio::spawn(async move {
        let greeted = async move {
            let upgraded = on_upgrade.await.inspect_err(|error| debug!(%error, "an upgrade was not completed")).ok()?;
            let written = written.unwrap_or_default();
            written.hand_over();
            let outbox = outbox(upgraded, written, &server.limits, server.metrics.clone()).await;
            // A browser tells its page the code of a close, but not the status of an answer.
            let (Ok(_), None) = (&through, peer.over) else {
                let over = peer.over.or(through.err()).map_or(String::new(), |over| over.to_string());
                outbox.close(close::TOO_MANY, &over, Some(Code::TooManyConnections)).await;
                return None;
            };
            let session = hello::greet(server, outbox, watch, address).await?;
            Some((through, Box::pin(session.run())))
        };
        if let Some((_place, session)) = Box::pin(greeted).await {
            session.await;
        }
    });
    Ok(switching(&accept)
        .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
        .body(Default::default())
        .expect(WELL_FORMED))
}

/// Why an answer can be built.
pub(super) const WELL_FORMED: &str = "every header is well-formed";

/// The beginning of the answer that makes a connection a WebSocket.
pub(super) fn switching(accept: &str) -> response::Builder {
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
}

/// The WebSocket on a connection that was handed over.
pub(super) async fn outbox(upgraded: Upgraded, written: Written, limits: &Limits, metrics: Metrics) -> Outbox {
    let wire = Wire::new(TokioIo::new(upgraded));
    let socket = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config(limits))).await;
    Outbox::new(socket, written, limits, metrics)
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        // The outbox decides when to write; this bounds what is gathered until then.
        .write_buffer_size(limits.write_ahead_bytes)
        .max_message_size(Some(limits.frame_bytes))
        .max_frame_size(Some(limits.frame_bytes))
}
