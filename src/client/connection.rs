//! A client's connection: made, served until it is lost, and made again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::{debug, warn};

use super::core::{Core, Sheet, Wish};
use super::dial::{Address, Connector, DialError, dial};
use super::event::Closed;
use super::{Identity, Options};
use crate::document::DocumentId;
use crate::protocol::{ClientMessage, Code, Hello, PROTOCOL, ServerMessage, close};

/// Messages read before what they gave rise to is written.
const READ_AT_ONCE: usize = 32;
/// Superseded twice within this time, a client leaves its place to the other. Once may have been its own doing: a connection
/// that it had given up, and that reached the server late.
const RIVAL_WITHIN: Duration = Duration::from_secs(60);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection ended.
enum End {
    /// It is lost. The next one is made after the time the server asked for, if it did.
    Lost { retry: Option<Duration>, welcomed: bool, why: String },
    /// It is cut as the application wishes, and made anew at once.
    Cut,
    /// Another connection of this client took its place.
    Superseded(Closed),
    /// The client is no longer served.
    Final(Closed),
}

/// Keeps a client connected until it leaves or is turned away.
pub(super) async fn keep_connected<C: Connector>(
    core: Arc<Core>,
    connector: C,
    address: Address,
    identity: Identity,
    options: Options,
) {
    let hello = ClientMessage::Hello(Hello {
        protocol: PROTOCOL,
        client: identity.client,
        token: identity.token,
        name: identity.name,
        person: None,
    });
    let mut failures = 0;
    let mut superseded: Option<Instant> = None;
    let closed = loop {
        if core.wish() == Some(Wish::Leave) {
            break Closed::new(None, "the client has left");
        }
        let end = match timeout(options.gone_after, dial(&connector, &address)).await {
            Ok(Ok(socket)) => {
                core.online(&hello);
                let end = Line::new(&core, socket, &options).serve().await;
                core.offline();
                end
            }
            Ok(Err(DialError::Passing(why))) => End::Lost { retry: None, welcomed: false, why },
            Ok(Err(DialError::Final(closed))) => End::Final(closed),
            Err(_) => End::Lost { retry: None, welcomed: false, why: "connecting took too long".into() },
        };
        let wait = match end {
            End::Final(closed) => break closed,
            End::Cut => continue,
            End::Superseded(closed) => {
                let before = superseded.replace(Instant::now());
                if before.is_some_and(|before| before.elapsed() < RIVAL_WITHIN) {
                    break closed;
                }
                options.backoff.wait(failures, (options.random)())
            }
            End::Lost { retry, welcomed, why } => {
                if welcomed {
                    failures = 0;
                }
                if options.attempts.is_some_and(|most| failures >= most) {
                    break Closed::new(None, format!("cannot connect: {why}"));
                }
                debug!(why, failures, "the connection is lost");
                retry.unwrap_or_else(|| options.backoff.wait(failures, (options.random)())).min(options.backoff.most)
            }
        };
        failures += 1;
        let over = sleep_until(Instant::now() + wait);
        tokio::pin!(over);
        // What is typed meanwhile wakes the connection too; only a wish ends the wait.
        loop {
            tokio::select! {
                () = &mut over => break,
                () = core.wake.notified() => if core.wish().is_some() { break },
            }
        }
    };
    core.end(closed);
}

/// One connection.
struct Line<'c, I> {
    core: &'c Core,
    socket: WebSocketStream<I>,
    options: &'c Options,
    /// Whether something may be left to write: frames of ours, or a pong of the library's.
    unflushed: bool,
    /// Messages read since everything was last written.
    read: usize,
    last_heard: Instant,
    pinged: bool,
    welcomed: bool,
    /// When the server asked us to come back.
    retry: Option<Duration>,
    /// The last error that concerned no document: it explains the close that follows.
    error: Option<(Code, String)>,
    /// Documents that wish to try something again, and when.
    retries: Vec<(Instant, Arc<Sheet>)>,
}

impl<'c, I: AsyncRead + AsyncWrite + Unpin> Line<'c, I> {
    fn new(core: &'c Core, socket: WebSocketStream<I>, options: &'c Options) -> Self {
        Line {
            core,
            socket,
            options,
            unflushed: false,
            read: 0,
            last_heard: Instant::now(),
            pinged: false,
            welcomed: false,
            retry: None,
            error: None,
            retries: Vec::new(),
        }
    }

    async fn serve(mut self) -> End {
        loop {
            for frame in self.core.outgoing() {
                if let Err(error) = self.send(Message::Text(frame)) {
                    return self.lost(error.to_string());
                }
            }
            let ask = self.last_heard + self.options.ping_after;
            let gone = self.last_heard + self.options.gone_after;
            let silence = if self.pinged { gone } else { ask.min(gone) };
            let next = self.retries.iter().map(|(at, _)| *at).fold(silence, Instant::min);
            let core = self.core;
            let ended = tokio::select! {
                read = std::future::poll_fn(|cx| self.poll(cx)) => self.heard(read),
                () = core.wake.notified() => match core.wish() {
                    Some(Wish::Leave) => return self.leave().await,
                    Some(Wish::Reconnect) => Some(End::Cut),
                    None => None,
                },
                () = sleep_until(next) => self.rang(gone),
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    /// Reads the next message; writes what was gathered once there is none, or often enough.
    fn poll(&mut self, cx: &mut Context) -> Poll<Option<Result<Message, Error>>> {
        if self.read >= READ_AT_ONCE
            && let Poll::Ready(Err(error)) = self.poll_flush(cx)
        {
            return Poll::Ready(Some(Err(error)));
        }
        if let Poll::Ready(read) = Pin::new(&mut self.socket).poll_next(cx) {
            self.read += 1;
            // The library answers pings itself, by way of the next flush.
            self.unflushed |= matches!(read, Some(Ok(Message::Ping(_))));
            return Poll::Ready(read);
        }
        match self.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            _ => Poll::Pending,
        }
    }

    fn poll_flush(&mut self, cx: &mut Context) -> Poll<Result<(), Error>> {
        if !self.unflushed {
            self.read = 0;
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if flushed.is_ready() {
            self.unflushed = false;
            self.read = 0;
        }
        flushed
    }

    fn send(&mut self, message: Message) -> Result<(), Error> {
        self.unflushed = true;
        // A socket that is full is no error here: the frame is kept, and the next flush goes on with it.
        Pin::new(&mut self.socket).start_send(message)
    }

    fn heard(&mut self, read: Option<Result<Message, Error>>) -> Option<End> {
        self.last_heard = Instant::now();
        self.pinged = false;
        match read {
            None => Some(self.lost("the server is gone".into())),
            Some(Err(error)) => Some(self.lost(error.to_string())),
            Some(Ok(Message::Text(text))) => {
                match serde_json::from_str(&text) {
                    Ok(message) => self.receive(message),
                    // A message of a later server, or a broken one: if a document needed it, the gap is found there.
                    Err(error) => warn!(%error, "a message from the server is not understood"),
                }
                None
            }
            Some(Ok(Message::Close(frame))) => Some(self.closed(frame)),
            Some(Ok(_)) => None,
        }
    }

    fn receive(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Welcome { .. } => self.welcomed = true,
            ServerMessage::Draining { retry_ms } => self.retry = Some(Duration::from_millis(retry_ms)),
            ServerMessage::Error { doc: None, code, message, .. } => {
                debug!(%code, message, "the server reports an error");
                self.error = Some((code, message));
            }
            message => {
                let Some(sheet) = document(&message).and_then(|id| self.core.addressee(&id, &message)) else { return };
                if let Some(retry_ms) = self.core.change(&sheet, |machine| machine.receive(message)) {
                    self.retries.push((Instant::now() + Duration::from_millis(retry_ms), sheet));
                }
            }
        }
    }

    fn rang(&mut self, gone: Instant) -> Option<End> {
        let now = Instant::now();
        let core = self.core;
        for (_, sheet) in self.retries.extract_if(.., |(at, _)| *at <= now) {
            // Trying again asks for no other time: the server's answer does.
            let _ = core.change(&sheet, |machine| machine.retry());
        }
        if gone <= now {
            return Some(self.lost("the server is silent".into()));
        }
        if !self.pinged && self.last_heard + self.options.ping_after <= now {
            self.pinged = true;
            if let Err(error) = self.send(Message::Ping(Default::default())) {
                return Some(self.lost(error.to_string()));
            }
        }
        None
    }

    fn closed(&mut self, frame: Option<CloseFrame>) -> End {
        let Some(frame) = frame else { return self.lost("the server closed the connection".into()) };
        let code = u16::from(frame.code);
        let error = self.error.take();
        let why = error.as_ref().map_or_else(|| frame.reason.to_string(), |(_, message)| message.clone());
        let turned_away = Closed::new(error.map(|(code, _)| code), format!("turned away with {code}: {why}"));
        match code {
            close::SUPERSEDED => End::Superseded(turned_away),
            _ if comes_back(code) => self.lost(format!("the server closed the connection with {code}: {why}")),
            _ => End::Final(turned_away),
        }
    }

    fn lost(&self, why: String) -> End {
        End::Lost { retry: self.retry, welcomed: self.welcomed, why }
    }

    /// Writes what there is, closes, and waits a short while for the server to close too.
    async fn leave(mut self) -> End {
        for frame in self.core.outgoing() {
            let _ = self.send(Message::Text(frame));
        }
        let _ = self.send(Message::Close(None));
        let farewell =
            async { while std::future::poll_fn(|cx| self.poll(cx)).await.is_some_and(|read| read.is_ok()) {} };
        // A server that does not answer in time is left.
        let _ = timeout(FAREWELL, farewell).await;
        End::Final(Closed::new(None, "the client has left"))
    }
}

/// Whether a client comes back after this close code: not where the same would happen again.
fn comes_back(code: u16) -> bool {
    const UNAUTHORIZED: u16 = 4401;
    !matches!(code, close::BAD_MESSAGE | UNAUTHORIZED | close::FORBIDDEN | close::TOO_LARGE)
}

/// The document that a message is about.
fn document(message: &ServerMessage) -> Option<DocumentId> {
    match message {
        ServerMessage::Opened { doc, .. }
        | ServerMessage::Revision { doc, .. }
        | ServerMessage::Ack { doc, .. }
        | ServerMessage::Refused { doc, .. }
        | ServerMessage::Presence { doc, .. }
        | ServerMessage::Checked { doc, .. }
        | ServerMessage::Diverged { doc, .. }
        | ServerMessage::Closed { doc, .. } => Some(doc.clone()),
        ServerMessage::Error { doc, .. } => doc.as_ref().and_then(|doc| doc.parse().ok()),
        ServerMessage::Welcome { .. } | ServerMessage::Pong | ServerMessage::Draining { .. } => None,
    }
}
