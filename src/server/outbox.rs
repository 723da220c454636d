//! A socket's sending side: frames are gathered and written together, and never more than a little ahead of the reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, Stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::connection::Written;
use super::held::Share;
use super::wire::Wire;
use crate::limits::{Limits, named};
use crate::metrics::Metrics;
use crate::protocol::{Code, ServerMessage, close};

/// A WebSocket as sessions use it.
pub(super) struct Outbox {
    /// Reads, and speaks of its own accord: its texts go past it, by way of the wire.
    socket: WebSocketStream<Wire<TokioIo<Upgraded>>>,
    written: Written,
    metrics: Metrics,
    write_ahead: usize,
    write_time: Duration,
    close_time: Duration,
    /// Bytes gathered since everything was last written.
    gathered: usize,
    /// Whether something may be left to write.
    unflushed: bool,
    /// Whether some of it may be the library's: a ping, or a pong.
    library_unflushed: bool,
    /// Since when the socket takes nothing, and how much it had taken by then.
    stuck: Option<(Instant, u64)>,
}

impl Outbox {
    pub(super) fn new(
        socket: WebSocketStream<Wire<TokioIo<Upgraded>>>,
        written: Written,
        limits: &Limits,
        metrics: Metrics,
    ) -> Self {
        Outbox {
            socket,
            written,
            metrics,
            write_ahead: limits.write_ahead_bytes,
            write_time: limits.write_time,
            close_time: limits.close_time,
            gathered: 0,
            unflushed: false,
            library_unflushed: false,
            stuck: None,
        }
    }

    /// Gathers a message.
    pub(super) fn say(&mut self, message: &ServerMessage) {
        if let Some(code) = message.code() {
            self.metrics.errors.with_label_values(&["socket", code.as_str()]).inc();
        }
        let json = serde_json::to_string(message).expect("every message of ours is JSON");
        self.gather(json.into());
    }

    /// Gathers a frame that was encoded before. That a socket is broken is learnt when it is written to.
    pub(super) fn gather(&mut self, frame: Utf8Bytes) {
        self.gathered += frame.len();
        self.unflushed = true;
        self.socket.get_mut().push(frame);
    }

    /// Gathers a ping.
    pub(super) fn ping(&mut self) -> Result<(), Error> {
        self.send(Message::Ping(Default::default()))
    }

    /// Gathers a message that goes by way of the library: all but texts.
    pub(super) fn send(&mut self, message: Message) -> Result<(), Error> {
        self.unflushed = true;
        self.library_unflushed = true;
        // A socket that is full is no error here: the frame is kept and `poll_flush` goes on with it.
        Pin::new(&mut self.socket).start_send(message)
    }

    /// Whether more may be gathered before the socket has taken what there is.
    pub(super) fn has_room(&self) -> bool {
        self.gathered < self.write_ahead && self.stuck.is_none()
    }

    /// Writes what was gathered. Pending while the socket takes nothing.
    pub(super) fn poll_flush(&mut self, cx: &mut Context) -> Poll<Result<(), Error>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = self.poll_write(cx);
        if flushed.is_ready() {
            self.gathered = 0;
            self.unflushed = false;
            self.stuck = None;
        } else {
            let written = self.written.bytes();
            if self.stuck.is_none_or(|(_, before)| before != written) {
                self.stuck = Some((Instant::now(), written));
            }
        }
        flushed
    }

    fn poll_write(&mut self, cx: &mut Context) -> Poll<Result<(), Error>> {
        if self.library_unflushed || self.socket.get_mut().is_library_midway() {
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.library_unflushed = false;
        }
        self.socket.get_mut().poll_drain(cx).map_err(Error::Io)
    }

    /// When the socket will have taken nothing for too long; none if it is not stuck.
    pub(super) fn write_deadline(&self) -> Option<Instant> {
        self.stuck.map(|(since, _)| since + self.write_time)
    }

    /// When a socket that is stuck last took something; none if it is not stuck.
    pub(super) fn last_progress(&self) -> Option<Instant> {
        self.stuck.map(|(since, _)| since)
    }

    /// Reads the next message.
    pub(super) fn poll_read(&mut self, cx: &mut Context) -> Poll<Option<Result<Message, Error>>> {
        let read = Pin::new(&mut self.socket).poll_next(cx);
        // The library answers pings itself, by way of the next flush.
        let pinged = matches!(read, Poll::Ready(Some(Ok(Message::Ping(_)))));
        self.unflushed |= pinged;
        self.library_unflushed |= pinged;
        match &read {
            Poll::Ready(Some(Ok(Message::Text(_) | Message::Binary(_)))) => self.socket.get_mut().finish_message(),
            Poll::Ready(Some(Err(Error::Io(error)))) if error.kind() == io::ErrorKind::QuotaExceeded => {
                self.metrics.limit_hit(named::unfinished_bytes);
            }
            _ => {}
        }
        read
    }

    /// Whether more came before `hello` than is let in.
    pub(super) fn is_spent(&self) -> bool {
        self.socket.get_ref().is_spent()
    }

    /// Bounds how many bytes are read of who has not said hello; none once they have.
    pub(super) fn allow(&mut self, bytes: Option<usize>) {
        self.socket.get_mut().allow(bytes);
    }

    /// Counts what comes of messages in this share.
    pub(super) fn hold(&mut self, share: Share) {
        self.socket.get_mut().hold(Some(share));
    }

    /// Says why, closes with a code, and waits a short while for the other side to close too.
    pub(super) async fn close(mut self, code: u16, reason: &str, error: Option<Code>) {
        let deadline = Instant::now() + self.close_time;
        match code {
            close::TOO_LARGE if self.is_spent() => self.metrics.limit_hit(named::hello_bytes),
            close::TOO_LARGE => self.metrics.limit_hit(named::frame_bytes),
            close::HELLO_TIMEOUT => self.metrics.limit_hit(named::hello_time),
            _ => {}
        }
        if let Some(code) = error {
            let message = reason.to_owned();
            let error = ServerMessage::Error { code, message, doc: None, seq: None, reply_to: None, retry_ms: None };
            self.say(&error);
        }
        let frame = CloseFrame { code: code.into(), reason: cut(reason).into() };
        let _ = Pin::new(&mut self.socket).start_send(Message::Close(Some(frame)));
        let farewell = async {
            let _: Result<(), Error> = std::future::poll_fn(|cx| Pin::new(&mut self.socket).poll_flush(cx)).await;
            // Reading on until the peer's close: a connection dropped with unread bytes is reset, and the reset may
            // overtake our close frame.
            while std::future::poll_fn(|cx| Pin::new(&mut self.socket).poll_next(cx)).await.is_some_and(|m| m.is_ok()) {
            }
            let mut rest = [0; 1024];
            let io = self.socket.get_mut();
            io.allow(None);
            io.hold(None);
            let _: io::Result<()> = async {
                tokio::io::AsyncWriteExt::shutdown(io).await?;
                while io.read(&mut rest).await? > 0 {}
                Ok(())
            }
            .await;
        };
        // A peer that does not close in time is left.
        let _ = timeout_at(deadline, farewell).await;
    }
}

/// A close frame's reason has room for 123 bytes.
fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(123)]
}
