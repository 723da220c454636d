//! One WebSocket as the load generator holds thousands of: frames in and out, and nothing kept that is not under way.
//!
//! It is written here because the load must not eat the processors that the server is measured on: a frame costs one system
//! call and no allocation of its own.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Where servers and the floor are asked for a WebSocket.
pub(super) const PATH: &str = "/v1/connect";
/// Room for what arrives at a reader that is not to read it.
const NARROW: u32 = 4 << 10;

/// A connection. Frames of ours are masked with zeros: the server unmasks them all the same.
pub(super) struct Line {
    stream: TcpStream,
    /// Bytes of ours that the socket had no room for.
    unsent: RefCell<Vec<u8>>,
    /// Bytes sent and received, the handshake left out.
    pub(super) sent: Cell<u64>,
    pub(super) received: Cell<u64>,
}

/// What a server's frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Text,
    Close,
    Ping,
    Other,
}

impl Line {
    /// Connects and asks for a WebSocket at `path`.
    pub(super) async fn connect(address: SocketAddr, path: &str) -> io::Result<Rc<Line>> {
        Self::over(TcpStream::connect(address).await?, address, path).await
    }

    /// Connects with little room for what arrives, so that a reader that stops is soon known to have stopped.
    pub(super) async fn connect_narrow(address: SocketAddr, path: &str) -> io::Result<Rc<Line>> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(NARROW)?;
        Self::over(socket.connect(address).await?, address, path).await
    }

    /// Asks for a WebSocket on a connection.
    async fn over(mut stream: TcpStream, address: SocketAddr, path: &str) -> io::Result<Rc<Line>> {
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dmFyaW9ydW0gYmVuY2ghIQ==\r\n\
             Sec-WebSocket-Protocol: variorum.v1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::with_capacity(256);
        // Byte by byte: what follows the head is a frame.
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            return Err(io::Error::other(format!("no WebSocket: {}", String::from_utf8_lossy(line))));
        }
        Ok(Rc::new(Line { stream, unsent: RefCell::default(), sent: Cell::new(0), received: Cell::new(0) }))
    }

    /// Sends a text frame; what the socket has no room for follows later.
    pub(super) fn say(self: &Rc<Self>, text: &str) {
        self.send(0x81, text.as_bytes());
    }

    fn send(self: &Rc<Self>, first: u8, payload: &[u8]) {
        let mut small = [0; 512];
        let mut large = Vec::new();
        let frame = match small.get_mut(..payload.len() + 14) {
            Some(room) => room,
            None => {
                large.resize(payload.len() + 14, 0);
                &mut large[..]
            }
        };
        frame[0] = first;
        let head = match payload.len() {
            len @ 0..=125 => {
                frame[1] = 0x80 | len as u8;
                2
            }
            len @ 126..=0xffff => {
                frame[1] = 0x80 | 126;
                frame[2..4].copy_from_slice(&(len as u16).to_be_bytes());
                4
            }
            len => {
                frame[1] = 0x80 | 127;
                frame[2..10].copy_from_slice(&(len as u64).to_be_bytes());
                10
            }
        };
        // The mask, four zeros, stands between.
        let len = head + 4 + payload.len();
        frame[head + 4..len].copy_from_slice(payload);
        self.sent.set(self.sent.get() + len as u64);
        let mut unsent = self.unsent.borrow_mut();
        if !unsent.is_empty() {
            unsent.extend_from_slice(&frame[..len]);
            return;
        }
        // A broken connection is found by whoever reads from it.
        let written = self.stream.try_write(&frame[..len]).unwrap_or(0);
        if written < len {
            unsent.extend_from_slice(&frame[written..len]);
            tokio::task::spawn_local(self.clone().send_rest());
        }
    }

    async fn send_rest(self: Rc<Self>) {
        while self.stream.writable().await.is_ok() {
            let mut unsent = self.unsent.borrow_mut();
            match self.stream.try_write(&unsent) {
                Ok(written) => drop(unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            if unsent.is_empty() {
                return;
            }
        }
    }

    /// Reads frames until the connection ends, and hands each text to `hear`. Answers why it ended.
    pub(super) async fn listen(self: &Rc<Self>, mut hear: impl FnMut(&str)) -> String {
        let mut pending = Vec::new();
        let mut room = [0; 16 << 10];
        loop {
            if let Err(error) = self.stream.readable().await {
                return error.to_string();
            }
            let read = match self.stream.try_read(&mut room) {
                Ok(0) => return "the server closed the connection".into(),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return error.to_string(),
            };
            self.received.set(self.received.get() + read as u64);
            // Almost always whole frames came, and nothing is copied.
            let mut bytes = &room[..read];
            if !pending.is_empty() {
                pending.extend_from_slice(bytes);
                bytes = &pending;
            }
            let mut at = 0;
            while let Some((opcode, payload, len)) = frame(&bytes[at..]) {
                at += len;
                match opcode {
                    Opcode::Text => match std::str::from_utf8(payload) {
                        Ok(text) => hear(text),
                        Err(error) => return error.to_string(),
                    },
                    Opcode::Ping => self.send(0x8a, payload),
                    Opcode::Close => return close_reason(payload),
                    Opcode::Other => {}
                }
            }
            match pending.is_empty() {
                true => pending.extend_from_slice(&room[at..read]),
                false => drop(pending.drain(..at)),
            }
            if pending.is_empty() {
                // Room for one large frame is not kept by thousands.
                pending = Vec::new();
            }
        }
    }
}

/// The frame at the beginning of `bytes`, if all of it is there: opcode, payload, and how many bytes it takes.
fn frame(bytes: &[u8]) -> Option<(Opcode, &[u8], usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (len, head) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        len => (u64::from(len), 2),
    };
    let end = head + usize::try_from(len).ok()?;
    let opcode = match first & 0x0f {
        1 => Opcode::Text,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        _ => Opcode::Other,
    };
    Some((opcode, bytes.get(head..end)?, end))
}

fn close_reason(payload: &[u8]) -> String {
    match payload.split_first_chunk::<2>() {
        Some((code, reason)) => {
            format!("the server closed with {}: {}", u16::from_be_bytes(*code), String::from_utf8_lossy(reason))
        }
        None => "the server closed the connection".into(),
    }
}
