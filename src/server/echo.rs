//! The server's WebSocket with nothing behind it: every message comes back. Conformance suites speak with it; no command
//! serves it.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::connection::Written;
use super::hello::Ending;
use super::listener::Listener;
use super::outbox::Outbox;
use super::upgrade::{WELL_FORMED, outbox, switching};
use crate::limits::Limits;
use crate::metrics::Metrics;

/// Upgrades every request, and sends back what comes, until dropped. A connection is upgraded, read, written and closed by
/// the same code as a session's.
pub async fn echo<L: Listener>(mut listener: L, limits: Limits) {
    let limits = Arc::new(limits);
    loop {
        let Ok((io, _)) = listener.accept().await else { continue };
        let limits = limits.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let limits = limits.clone();
                async move { Ok::<_, Infallible>(upgrade(request, limits)) }
            });
            // A peer that breaks off has its reasons.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(io), service)
                .with_upgrades()
                .await;
        });
    }
}

fn upgrade(mut request: Request<Incoming>, limits: Arc<Limits>) -> Response<Empty<Bytes>> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        let refused = Response::builder().status(StatusCode::BAD_REQUEST).body(Empty::new());
        return refused.expect(WELL_FORMED);
    };
    let accept = derive_accept_key(key.as_bytes());
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            let outbox = outbox(upgraded, Written::default(), &limits, Metrics::new()).await;
            serve(outbox).await;
        }
    });
    switching(&accept).body(Empty::new()).expect(WELL_FORMED)
}

async fn serve(mut outbox: Outbox) {
    let ending = loop {
        let read = std::future::poll_fn(|cx| {
            // What was gathered leaves while more is waited for.
            let _ = outbox.poll_flush(cx);
            outbox.poll_read(cx)
        });
        match read.await {
            Some(Ok(Message::Text(text))) => outbox.gather(text),
            Some(Ok(message @ Message::Binary(_))) => {
                if outbox.send(message).is_err() {
                    return;
                }
            }
            Some(Ok(Message::Close(_))) => break Ending::answer(),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => match Ending::of(error) {
                Some(ending) => break ending,
                None => return,
            },
            None => return,
        }
    };
    outbox.close(ending.close, &ending.reason, None).await;
}
