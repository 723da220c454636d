//! Strangers at the door of a running server: each sends what [`Messages`] makes, as fast as it is let or as it is told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::Mutator;
use super::messages::{Frame, Messages};
use crate::live::PATIENCE;

/// Strangers at once.
const STRANGERS: u64 = 4;
/// Frames that a connection sends at most before its stranger comes back as another.
const LIFE: u64 = 2_000;
/// One in so many is an HTTP request instead.
const REQUESTS: u64 = 20;

/// What an attack came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Attack {
    /// Frames and requests sent.
    pub sent: u64,
    /// Frames that got past the JSON parser: an object with a type.
    pub messages: u64,
    /// Requests over HTTP.
    pub requests: u64,
    /// WebSockets made.
    pub connections: u64,
    /// Bytes that the server answered with.
    pub heard: u64,
}

impl Attack {
    /// Both attacks together.
    pub fn and(self, other: Attack) -> Attack {
        Attack {
            sent: self.sent + other.sent,
            messages: self.messages + other.messages,
            requests: self.requests + other.requests,
            connections: self.connections + other.connections,
            heard: self.heard + other.heard,
        }
    }
}

/// Sends about `most` frames and requests from a few strangers, at most `per_second` if that is given.
pub async fn attack(address: SocketAddr, seed: u64, most: u64, per_second: Option<u64>) -> Attack {
    let mut strangers = JoinSet::new();
    for number in 0..STRANGERS {
        let pace = per_second.map(|rate| Duration::from_nanos(1_000_000_000 * STRANGERS / rate.max(1)));
        let stranger = Stranger {
            address,
            messages: Messages::new(seed.wrapping_mul(STRANGERS) + number),
            requests: Mutator::new(super::corpus("request"), seed.wrapping_mul(STRANGERS) + number),
            attack: Attack::default(),
            pace,
            next: Instant::now(),
        };
        strangers.spawn(stranger.run(most / STRANGERS));
    }
    let each = strangers.join_all().await;
    each.into_iter().fold(Attack::default(), Attack::and)
}

struct Stranger {
    address: SocketAddr,
    messages: Messages,
    requests: Mutator,
    attack: Attack,
    /// Time between two frames.
    pace: Option<Duration>,
    next: Instant,
}

impl Stranger {
    async fn run(mut self, most: u64) -> Attack {
        while self.attack.sent < most {
            self.connection(most).await;
        }
        self.attack
    }

    /// One WebSocket, from its upgrade until the server or this stranger has had enough.
    async fn connection(&mut self, most: u64) {
        let mut stream = TcpStream::connect(self.address).await.expect("the server accepts");
        let upgrade = "GET /v1/connect HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Protocol: variorum.v1\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).await.expect("the server listens");
        self.attack.connections += 1;
        let (mut read, mut write) = stream.into_split();
        // Whoever does not read is cut off; these do.
        let reading = tokio::spawn(async move {
            let (mut heard, mut buffer) = (0, vec![0; 16 << 10]);
            while let Ok(bytes @ 1..) = read.read(&mut buffer).await {
                heard += bytes as u64;
            }
            heard
        });
        let mut first: Vec<String> = vec![self.messages.hello()];
        first.extend(self.messages.opens());
        let mut first = first.into_iter();
        let mut sent = 0;
        while sent < LIFE && self.attack.sent < most && !reading.is_finished() {
            let frame = first.next().map_or_else(|| self.messages.next(), Frame::Text);
            self.attack.messages += u64::from(frame.is_message());
            self.attack.sent += 1;
            sent += 1;
            let bytes = match frame {
                Frame::Text(text) => text_frame(&text),
                Frame::Raw(bytes) => bytes,
            };
            // A server that takes nothing for so long has stopped serving.
            let wrote = timeout(PATIENCE, write.write_all(&bytes)).await.expect("the server goes on reading");
            if wrote.is_err() {
                break;
            }
            if sent % REQUESTS == 0 {
                self.request().await;
            }
            if let Some(pace) = self.pace {
                self.next += pace;
                sleep_until(self.next).await;
            }
        }
        drop(write);
        let heard = timeout(PATIENCE, reading).await.expect("the server closes a connection that was closed");
        self.attack.heard += heard.expect("reading does not panic");
    }

    /// One request on a connection of its own.
    async fn request(&mut self) {
        self.attack.sent += 1;
        self.attack.requests += 1;
        let mut stream = TcpStream::connect(self.address).await.expect("the server accepts");
        // It may answer and close before it has read everything.
        let _ = stream.write_all(self.requests.next()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        self.attack.heard += read.expect("a request is answered, or its connection closed").unwrap_or(0) as u64;
    }
}

/// A masked text frame; the mask is zero, so the text stands in it as it is.
fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..65_536 => {
            frame.push(0xfe);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0xff);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}
