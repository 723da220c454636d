//! The lowest part of a socket's sending side: whole frames, shared by everyone who gets them, written together and kept by
//! no one afterwards.
//!
//! The WebSocket library copies each frame into a buffer of the connection, which stays as large as the largest frame ever
//! was: thousands of idle connections would each keep the size of the document they opened. So texts go past it; its own
//! frames (pong, ping, close) go through here as well, and neither ever cuts into the other.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::held::Share;

/// Frames up to this together are copied and written as one; larger ones are written from where they are.
const TOGETHER: usize = 4 << 10;
/// Room for waiting frames that an idle connection may keep.
const ROOM_KEPT: usize = 8;

/// A stream with frames waiting to be written to it.
pub(super) struct Wire<I> {
    io: I,
    waiting: VecDeque<Frame>,
    /// Bytes of the first of them that were written.
    begun: usize,
    /// The library has written a part of a frame, and nothing else may be written before the rest.
    library_midway: bool,
    /// Bytes that may still be read; none if that is not bounded here.
    allowance: Option<usize>,
    /// What has come of a message that is not at its end; none if that is not bounded.
    share: Option<Share>,
}

/// A text, not masked, as a server's are.
struct Frame {
    head: [u8; 10],
    head_len: usize,
    text: Utf8Bytes,
}

impl Frame {
    fn new(text: Utf8Bytes) -> Self {
        const FINAL_TEXT: u8 = 0x81;
        let mut head = [0; 10];
        head[0] = FINAL_TEXT;
        let head_len = match text.len() {
            len @ 0..=125 => {
                head[1] = len as u8;
                2
            }
            len @ 126..=0xffff => {
                head[1] = 126;
                head[2..4].copy_from_slice(&(len as u16).to_be_bytes());
                4
            }
            len => {
                head[1] = 127;
                head[2..].copy_from_slice(&(len as u64).to_be_bytes());
                10
            }
        };
        Frame { head, head_len, text }
    }

    fn len(&self) -> usize {
        self.head_len + self.text.len()
    }

    /// What is left of it after so many bytes: of the head, and of the text.
    fn rest(&self, begun: usize) -> [&[u8]; 2] {
        let of_head = begun.min(self.head_len);
        [&self.head[of_head..self.head_len], &self.text.as_bytes()[begun - of_head..]]
    }
}

impl<I> Wire<I> {
    pub(super) fn new(io: I) -> Self {
        Wire { io, waiting: VecDeque::new(), begun: 0, library_midway: false, allowance: None, share: None }
    }

    /// Bounds how many more bytes may be read, or no longer.
    pub(super) fn allow(&mut self, allowance: Option<usize>) {
        self.allowance = allowance;
    }

    /// Counts what has come of a message in this share, or no longer.
    pub(super) fn hold(&mut self, share: Option<Share>) {
        self.share = share;
    }

    /// A message has come to its end.
    pub(super) fn finish_message(&mut self) {
        self.share.iter_mut().for_each(Share::clear);
    }

    /// Whether as many bytes were read as might be: what comes next is an error.
    pub(super) fn is_spent(&self) -> bool {
        self.allowance == Some(0)
    }

    /// Puts a text behind what waits.
    pub(super) fn push(&mut self, text: Utf8Bytes) {
        self.waiting.push_back(Frame::new(text));
    }

    /// Whether the library must be flushed before [`Wire::poll_drain`].
    pub(super) fn is_library_midway(&self) -> bool {
        self.library_midway
    }

    /// Takes so many bytes off what waits.
    fn pass(&mut self, written: usize) {
        self.begun += written;
        while let Some(first) = self.waiting.pop_front_if(|first| first.len() <= self.begun) {
            self.begun -= first.len();
        }
    }
}

impl<I: AsyncWrite + Unpin> Wire<I> {
    /// Writes what waits.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        debug_assert!(!self.library_midway, "a frame of the library's is finished first");
        while let Some(first) = self.waiting.front() {
            let written = if first.len() - self.begun > TOGETHER {
                let rest = first.rest(self.begun).map(IoSlice::new);
                ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &rest))?
            } else {
                let mut together = [0; TOGETHER];
                let mut len = 0;
                let mut begun = self.begun;
                for frame in &self.waiting {
                    if len + frame.len() - begun > TOGETHER {
                        break;
                    }
                    for bytes in frame.rest(begun) {
                        together[len..len + bytes.len()].copy_from_slice(bytes);
                        len += bytes.len();
                    }
                    begun = 0;
                }
                ready!(Pin::new(&mut self.io).poll_write(cx, &together[..len]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pass(written);
        }
        if self.waiting.capacity() > ROOM_KEPT {
            self.waiting = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_spent() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, "more came than was let in")));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let came = buf.filled().len() - before;
        self.allowance = self.allowance.map(|allowance| allowance.saturating_sub(came));
        if self.share.as_mut().is_some_and(|share| !share.grow(came)) {
            let full = "the server holds as much of unfinished messages as it may";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::QuotaExceeded, full)));
        }
        Poll::Ready(Ok(()))
    }
}

/// The library's way: behind every frame that was begun before.
impl<I: AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.library_midway {
            ready!(self.poll_drain(cx))?;
        }
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        // The library writes all that it has at once, and comes again with the rest.
        self.library_midway = written < buf.len();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time, and is full every other time.
    struct Narrow {
        takes: usize,
        full: bool,
        taken: Vec<u8>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.full = !self.full;
            if self.full {
                return Poll::Pending;
            }
            let len = buf.len().min(self.takes);
            self.taken.extend_from_slice(&buf[..len]);
            Poll::Ready(Ok(len))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn frame(text: &str) -> Vec<u8> {
        Frame::new(text.into()).rest(0).concat()
    }

    #[test]
    fn frames_are_written_whole_and_in_order_however_little_the_socket_takes() {
        let texts = ["a".repeat(3), "b".repeat(125), "c".repeat(126), "d".repeat(70_000), String::new(), "e".repeat(5)];
        const PONG: [u8; 4] = [0x8a, 2, b'h', b'i'];
        for takes in [1, 2, 3, 7, 100, 4096, 100_000] {
            let mut wire = Wire::new(Narrow { takes, full: false, taken: Vec::new() });
            let mut cx = Context::from_waker(std::task::Waker::noop());
            texts.iter().for_each(|text| wire.push(text.as_str().into()));
            // The library answers a ping while frames wait, and more come while its own is half written.
            let mut pong = &PONG[..];
            while !pong.is_empty() {
                if let Poll::Ready(written) = Pin::new(&mut wire).poll_write(&mut cx, pong) {
                    pong = &pong[written.unwrap()..];
                    if pong.len() == PONG.len() - 1 {
                        wire.push("late".into());
                    }
                }
            }
            while wire.poll_drain(&mut cx).is_pending() {}
            let mut expected: Vec<u8> = texts.iter().flat_map(|text| frame(text)).collect();
            expected.extend(PONG);
            if takes == 1 {
                expected.extend(frame("late"));
            }
            assert!(wire.io.taken == expected, "{takes} bytes at a time");
            assert!(wire.waiting.capacity() <= ROOM_KEPT);
        }
    }
}
