//! The simulated network as the server and the clients know it, with readers that stop reading and lines that are cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use turmoil::net::{TcpListener, TcpStream};
use variorum::client::Connector;
use variorum::server::Listener;

use super::stage::Stage;

/// The server's host.
pub const SERVER: &str = "server";
/// Its port.
pub const PORT: u16 = 80;

/// Where the server's WebSocket is.
pub fn url() -> String {
    format!("ws://{SERVER}:{PORT}/v1/connect")
}

/// The server's side.
pub struct Ear {
    listener: TcpListener,
    stage: Arc<Stage>,
}

impl Ear {
    /// Listens on the server's port.
    pub async fn bind(stage: Arc<Stage>) -> io::Result<Self> {
        Ok(Ear { listener: TcpListener::bind(("0.0.0.0", PORT)).await?, stage })
    }
}

impl Listener for Ear {
    type Io = Line;

    async fn accept(&mut self) -> io::Result<(Line, SocketAddr)> {
        let (io, address) = self.listener.accept().await?;
        let host = turmoil::reverse_lookup(address.ip()).unwrap_or_default();
        let gate = self.stage.gates.lock().get(&host).cloned().unwrap_or_default();
        let way = Way { stage: self.stage.clone(), gate };
        Ok((Line { io, way, at: End::Server, pause: None }, address))
    }
}

/// What can be done to the lines of one host.
#[derive(Default)]
pub struct Gate {
    /// Until when nothing is read, in simulated milliseconds.
    deaf_until_ms: AtomicU64,
    /// Lines made before this was raised are dead, and their peer is not told.
    cut: AtomicBool,
}

impl Gate {
    /// Reads nothing until then.
    pub fn deafen(&self, until_ms: u64) {
        self.deaf_until_ms.store(until_ms, Ordering::Relaxed);
    }

    /// Ends every line that goes through here.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }
}

/// The way of one client to the server.
#[derive(Clone)]
pub struct Way {
    /// For the time.
    pub stage: Arc<Stage>,
    /// What can be done to it.
    pub gate: Arc<Gate>,
}

impl Way {
    /// A connection to the server.
    pub async fn dial(&self) -> io::Result<Line> {
        let io = TcpStream::connect((SERVER, PORT)).await?;
        Ok(Line { io, way: self.clone(), at: End::Client, pause: None })
    }
}

impl Connector for Way {
    type Io = Line;

    async fn connect(&self, _: &str, _: u16) -> io::Result<Line> {
        self.dial().await
    }
}

/// Which end of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Server,
}

/// One end of a connection.
pub struct Line {
    io: TcpStream,
    way: Way,
    at: End,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Line {
    /// The program at the client's end may be gone; the server's hears of that by the network.
    fn whole(&self) -> io::Result<()> {
        match self.at == End::Client && self.way.gate.cut.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }

    /// Waits while the client reads nothing: it does not look at what came, and what the server writes meets buffers that
    /// are full.
    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            let until = self.way.gate.deaf_until_ms.load(Ordering::Relaxed);
            let now = self.way.stage.now_ms();
            if until <= now {
                return Poll::Ready(());
            }
            self.pause = Some(Box::pin(sleep(Duration::from_millis(until - now))));
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.whole()?;
        if self.at == End::Client && self.poll_gate(cx).is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.whole()?;
        if self.at == End::Server && self.poll_gate(cx).is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
