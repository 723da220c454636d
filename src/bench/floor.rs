//! The floor: the least that a server on this stack could do for the same traffic. It takes the same frames over the same
//! hyper and tungstenite, writes and syncs as much before it answers, and sends as many frames of the same size; it parses
//! nothing, moves nothing, keeps nothing.
//!
//! ```text
//! socket ─▶ session ─▶ writer thread: one write and one sync for all that wait ─▶ announcer ─▶ every session of the room
//! ```
//!
//! A write is as long as SQLite's log would make it, a page and its header at least, into a file of the length at which that
//! log begins again; but it is one bare `pwrite` and `fdatasync`, so all that SQLite itself costs stays on the server's side.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use futures_util::{Sink, Stream};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::limits::Limits;
use crate::server::{Listener, READ_BUFFER, bind};

/// A page of SQLite's log, with its header.
const LOG_PAGE: usize = 4096 + 24;
/// Where the log begins again.
const LOG_LENGTH: u64 = 8 << 20;

/// Longest that an edit waits for others to share its sync.
const COMPANY: Duration = Duration::from_millis(5);

/// Sizes of what the server makes of an edit, as measured on it.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Sizes {
    /// Bytes of an ack.
    pub(super) ack: usize,
    /// How much longer than an edit's frame its revision's frame is.
    pub(super) revision_more: usize,
    /// How much longer than an edit's frame its record in the log is.
    pub(super) record_more: usize,
    /// How many edits share a sync, where people type as fast as they are answered: so many are waited for, and no more are
    /// taken. Else a sync is for whoever is there.
    pub(super) group: Option<usize>,
}

/// What a connection says first, and again when the sizes are known better.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Join {
    /// Those who are in one room hear each other.
    pub(super) room: u64,
    pub(super) sizes: Sizes,
}

/// An edit on its way.
struct Edit {
    session: Arc<Session>,
    room: u64,
    sizes: Sizes,
    frame: Utf8Bytes,
}

/// One connection, as the announcer sees it.
#[derive(Default)]
struct Session {
    outgoing: Mutex<Vec<Utf8Bytes>>,
    waker: AtomicWaker,
}

type Rooms = Mutex<HashMap<u64, Vec<Arc<Session>>>>;

struct Floor {
    rooms: Rooms,
    edits: Sender<Edit>,
    syncs: AtomicU64,
    limits: Limits,
}

/// Serves until the process ends.
pub(super) async fn serve(listen: std::net::SocketAddr, data: PathBuf) -> Result<(), String> {
    let mut listener = bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let path = data.join("floor.log");
    let file = File::create(&path).and_then(|file| {
        // In small pieces: a sync then costs least.
        (0..LOG_LENGTH).step_by(4096).try_for_each(|at| file.write_all_at(&[0; 4096], at))?;
        file.sync_all().map(|()| file)
    });
    let file = file.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let (edits, waiting) = std::sync::mpsc::channel();
    let (durable, announced) = mpsc::unbounded_channel();
    let floor = Arc::new(Floor { rooms: Mutex::default(), edits, syncs: AtomicU64::new(0), limits: Limits::default() });
    let writer = floor.clone();
    let write = move || writer.write(&file, waiting, &durable);
    let thread = std::thread::Builder::new().name("floor-writer".into()).spawn(write);
    thread.map_err(|error| format!("a thread cannot be started: {error}"))?;
    tokio::spawn(floor.clone().announce(announced));
    loop {
        let (stream, _) = Listener::accept(&mut listener).await.map_err(|error| error.to_string())?;
        tokio::spawn(floor.clone().speak_http(stream));
    }
}

impl Floor {
    /// One write and one sync for all edits that wait.
    fn write(&self, file: &File, waiting: Receiver<Edit>, durable: &mpsc::UnboundedSender<Vec<Edit>>) {
        let mut at = 0;
        let mut bytes = Vec::new();
        while let Ok(first) = waiting.recv() {
            let group = first.sizes.group;
            let mut batch = vec![first];
            match group {
                Some(group) => {
                    while batch.len() < group
                        && let Ok(next) = waiting.recv_timeout(COMPANY)
                    {
                        batch.push(next);
                    }
                }
                None => batch.extend(waiting.try_iter()),
            }
            bytes.clear();
            for edit in &batch {
                bytes.extend_from_slice(edit.frame.as_bytes());
                bytes.resize(bytes.len() + edit.sizes.record_more, b' ');
            }
            bytes.resize((bytes.len() / 4096 + 1) * LOG_PAGE, 0);
            if at + bytes.len() as u64 > LOG_LENGTH {
                at = 0;
            }
            let written = file.write_all_at(&bytes, at).and_then(|()| file.sync_data());
            at += bytes.len() as u64;
            self.syncs.fetch_add(1, Ordering::Relaxed);
            if written.is_err() || durable.send(batch).is_err() {
                return;
            }
        }
    }

    /// Hands what is durable to everyone in the room.
    async fn announce(self: Arc<Self>, mut durable: mpsc::UnboundedReceiver<Vec<Edit>>) {
        let mut rung: Vec<Arc<Session>> = Vec::new();
        while let Some(batch) = durable.recv().await {
            {
                let rooms = self.rooms.lock();
                for Edit { session, room, sizes, frame } in batch {
                    let ack = Utf8Bytes::from(format!("a{}", pad(sizes.ack.saturating_sub(1))));
                    let revision = Utf8Bytes::from(format!("{frame}{}", pad(sizes.revision_more)));
                    for other in rooms.get(&room).into_iter().flatten() {
                        let own = Arc::ptr_eq(other, &session);
                        let mut outgoing = other.outgoing.lock();
                        if outgoing.is_empty() {
                            rung.push(other.clone());
                        }
                        outgoing.push(if own { ack.clone() } else { revision.clone() });
                    }
                }
            }
            rung.drain(..).for_each(|session| session.waker.wake());
        }
    }

    async fn speak_http(self: Arc<Self>, stream: TcpStream) {
        let limits = &self.limits;
        let floor = self.clone();
        let service = service_fn(move |request| {
            let answer = floor.clone().answer(request);
            std::future::ready(Ok::<_, std::convert::Infallible>(answer))
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_buf_size(limits.header_bytes);
        // A connection that breaks is gone.
        let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    }

    fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
            let syncs = self.syncs.load(Ordering::Relaxed);
            return Response::new(Full::from(format!("# floor\nvariorum_commit_seconds_count {syncs}\n")));
        };
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
            .body(Full::default());
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            if let Ok(upgraded) = upgraded.await {
                Box::pin(self.speak(upgraded)).await;
            }
        });
        response.expect("every header is well-formed")
    }

    async fn speak(self: Arc<Self>, upgraded: Upgraded) {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(self.limits.write_ahead_bytes)
            .max_message_size(Some(self.limits.frame_bytes))
            .max_frame_size(Some(self.limits.frame_bytes));
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let session = Arc::new(Session::default());
        let mut joined: Option<Join> = None;
        let mut unflushed = false;
        std::future::poll_fn(|cx| {
            session.waker.register(cx.waker());
            loop {
                let outgoing = std::mem::take(&mut *session.outgoing.lock());
                for frame in outgoing {
                    unflushed = true;
                    if Pin::new(&mut socket).start_send(Message::Text(frame)).is_err() {
                        return Poll::Ready(());
                    }
                }
                if unflushed && let Poll::Ready(flushed) = Pin::new(&mut socket).poll_flush(cx) {
                    unflushed = false;
                    if flushed.is_err() {
                        return Poll::Ready(());
                    }
                }
                match Pin::new(&mut socket).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(Message::Text(frame)))) if frame.starts_with('{') => {
                        let Ok(join) = serde_json::from_str::<Join>(&frame) else { return Poll::Ready(()) };
                        if joined.replace(join).is_none() {
                            self.rooms.lock().entry(join.room).or_default().push(session.clone());
                        }
                        session.outgoing.lock().push("a".into());
                    }
                    Poll::Ready(Some(Ok(Message::Text(frame)))) => {
                        let Some(Join { room, sizes }) = joined else { return Poll::Ready(()) };
                        // The writer ends with the process.
                        let _ = self.edits.send(Edit { session: session.clone(), room, sizes, frame });
                    }
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                }
            }
        })
        .await;
        self.rooms.lock().values_mut().for_each(|room| room.retain(|other| !Arc::ptr_eq(other, &session)));
    }
}

/// That many spaces.
fn pad(len: usize) -> String {
    " ".repeat(len)
}
