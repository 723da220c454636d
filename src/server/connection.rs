//! The accept loop: each connection speaks HTTP/1 with warp's filters, until it is upgraded or ends.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Request, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tracing::{debug, warn};

use super::Server;
use super::crowd::{Over, Place};
use super::listener::Listener;
use super::routes;
use crate::limits::named;
use crate::metrics::Metrics;
use crate::shutdown::{Phase, Watch};

/// Pause after a failed accept: out of file descriptors, for instance, where trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until dropped.
pub(super) async fn accept_all<L: Listener>(server: Arc<Server>, mut listener: L, watch: Watch) {
    loop {
        match listener.accept().await {
            Ok((io, address)) => {
                debug!(%address, "connected");
                let peer = address.ip();
                // A proxy's connections are counted for those it speaks for.
                let counted = (!server.proxies.trusts(peer)).then_some(peer);
                // Of those beyond a limit some are told so, and the others left.
                let Some((place, over)) = server.crowd.connect(counted, &server.limits) else { continue };
                if let Some(Over(limit)) = over {
                    server.metrics.limit_hit(limit);
                }
                let came = Came { peer: Peer { address: peer, over }, place };
                tokio::spawn(serve(server.clone(), io, came, watch.clone()));
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Where a connection comes from, for its requests to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// It is one too many, and is only told so.
    pub(super) over: Option<Over>,
}

/// A connection that has come.
struct Came {
    peer: Peer,
    place: Place,
}

async fn serve<I>(server: Arc<Server>, io: I, came: Came, mut watch: Watch)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let written = Written::default();
    let Came { peer, place } = came;
    let io = TokioIo::new(Counted {
        io,
        written: written.clone(),
        write_time: server.limits.write_time,
        stuck: None,
        _open: Open::new(&server.metrics),
        _place: place,
    });
    let routes = TowerToHyperService::new(warp::service(routes::all(server.clone(), watch.clone())));
    // The upgrade finds the connection's counter in its request.
    let service = service_fn(move |mut request: Request<Incoming>| {
        // A target may be a bare authority (`GET host HTTP/1.1`, `CONNECT host:1`); warp fails over one without a path.
        if request.uri().path_and_query().is_none() {
            *request.uri_mut() = Uri::from_static("/");
        }
        request.extensions_mut().insert(written.clone());
        request.extensions_mut().insert(peer);
        routes.call(request)
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(server.limits.header_time)
        .max_buf_size(server.limits.header_bytes)
        .keep_alive(true);
    let connection = http.serve_connection(io, service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = watch.reached(Phase::Draining) => {
            // The request under way is answered; the next one finds the connection closed.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        if error.is_timeout() {
            server.metrics.limit_hit(named::header_time);
        } else if error.is_parse_too_large() {
            server.metrics.limit_hit(named::header_bytes);
        } else if is_write_timeout(&error) {
            server.metrics.limit_hit(named::write_time);
        }
        debug!(%error, "a connection ended early");
    }
}

/// Whether a connection ended because its peer took nothing for too long.
fn is_write_timeout(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Bytes that the peer's kernel has taken: how a session tells a slow reader from one that stopped.
#[derive(Clone, Default)]
pub(super) struct Written(Arc<Flow>);

#[derive(Default)]
struct Flow {
    bytes: AtomicU64,
    /// The connection was handed over to a session, which has its own deadline for writes.
    handed_over: AtomicBool,
}

impl Written {
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Leaves it to whoever took the connection over how long a write may take.
    pub(super) fn hand_over(&self) {
        self.0.handed_over.store(true, Ordering::Relaxed);
    }
}

/// A connection that counts what it writes, and itself while it is open, upgraded or not. Until it is handed over, it ends
/// when its peer takes nothing of an answer for too long.
struct Counted<I> {
    io: I,
    written: Written,
    write_time: Duration,
    /// Rings when the peer has taken nothing for too long, while it takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
    _open: Open,
    _place: Place,
}

/// One of the open connections.
struct Open(IntGauge);

impl Open {
    fn new(metrics: &Metrics) -> Self {
        metrics.accepted.inc();
        metrics.connections.inc();
        Open(metrics.connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> Counted<I> {
    fn count(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &wrote {
            Poll::Ready(Ok(bytes)) => {
                self.written.0.bytes.fetch_add(*bytes as u64, Ordering::Relaxed);
                self.stuck = None;
            }
            Poll::Pending if !self.written.0.handed_over.load(Ordering::Relaxed) => {
                let write_time = self.write_time;
                let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(write_time)));
                if stuck.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")));
                }
            }
            _ => {}
        }
        wrote
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.io).poll_write(cx, buf);
        self.count(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.count(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
