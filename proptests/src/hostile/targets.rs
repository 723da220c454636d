//! What must hold whatever the bytes are.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use variorum::ot::{Content, Op, TextOp};
use variorum::protocol::{ClientMessage, ContentBody, EditBody, ServerMessage};
use variorum::server::{self, Listener};
use variorum::store::{decode_record, encode_record};

use crate::live::parts;

/// Longest text made for an op to be applied to.
const LONGEST_TEXT: u64 = 4096;

/// Bytes as an op: what is taken is written as it was read, fits what it says it fits, and can be undone; two of them meet.
pub fn op(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(op) = TextOp::from_json(text) else { return false };
    let again = TextOp::from_json(&op.to_json()).expect("what is written can be read");
    assert_eq!(again, op);
    assert!(op.base_len() < 1 << 53 && op.target_len() < 1 << 53, "lengths stay below 2^53");
    let other = TextOp::splice(op.base_len(), op.base_len() / 2, op.base_len() / 3, "x").expect("within the text");
    let (moved, theirs) = TextOp::transform(&op, &other).expect("both cover the same length");
    assert_eq!(op.transform_incoming(&other).as_ref(), Ok(&moved));
    assert_eq!(op.compose(&theirs).map(|op| op.target_len()), other.compose(&moved).map(|op| op.target_len()));
    if op.base_len() <= LONGEST_TEXT {
        let base = Content::from("𝄞".repeat(op.base_len() as usize).as_str());
        let inverse = op.invert(&base).expect("it covers the text");
        let mut content = base.clone();
        op.apply(&mut content).expect("it covers the text");
        assert_eq!(content.len(), op.target_len());
        inverse.apply(&mut content).expect("its inverse covers what it left");
        assert_eq!(content, base);
    } else {
        let mut short = Content::from("short");
        assert!(op.apply(&mut short).is_err(), "an op that covers more than there is is turned away");
    }
    true
}

/// Bytes as a message, of either side, or as a body.
pub fn message(input: &[u8]) -> bool {
    let body = ContentBody::parse(input).is_ok() | EditBody::parse(input).is_ok();
    let Ok(text) = std::str::from_utf8(input) else { return body };
    let from_client = match ClientMessage::parse(text) {
        Ok(message) => {
            let written = serde_json::to_string(&message);
            // An op that is none cannot be written, and everything else is read as it was written.
            if let Ok(written) = written {
                let again = ClientMessage::parse(&written).expect("what is written can be read");
                assert_eq!(format!("{again:?}"), format!("{message:?}"));
            }
            true
        }
        Err(malformed) => {
            assert!(!malformed.message.is_empty(), "what is wrong is said in a sentence");
            false
        }
    };
    let from_server = match serde_json::from_str::<ServerMessage>(text) {
        Ok(message) => {
            let written = serde_json::to_string(&message).expect("a message of the server's is JSON");
            serde_json::from_str::<ServerMessage>(&written).expect("what is written can be read");
            true
        }
        Err(_) => false,
    };
    body | from_client | from_server
}

/// Bytes as a record of the log: as they are, and with a length and checksum that hold, so that what is inside is looked at.
pub fn record(input: &[u8]) -> bool {
    let sealed = seal(input);
    let mut sound = false;
    for bytes in [input, &sealed] {
        if let Ok((document, revision, taken)) = decode_record(bytes) {
            assert!(taken <= bytes.len(), "no more is taken than there is");
            let mut again = Vec::new();
            encode_record(document, &revision, &mut again);
            let (_, same, _) = decode_record(&again).expect("what is written can be read");
            assert_eq!(same, revision);
            sound = true;
        }
    }
    sound
}

/// The record's inside with the length and checksum that belong to it.
fn seal(input: &[u8]) -> Vec<u8> {
    let header = input.iter().position(|byte| *byte < 0x80).map_or(0, |last| last + 1);
    let end = input.len().saturating_sub(4).max(header);
    let body = &input[header.min(end)..end];
    let mut sealed = Vec::with_capacity(body.len() + 8);
    let mut len = body.len() + 4;
    while len >= 0x80 {
        sealed.push(len as u8 | 0x80);
        len >>= 7;
    }
    sealed.push(len as u8);
    sealed.extend_from_slice(body);
    sealed.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    sealed
}

/// A server whose connections are pipes in memory: every byte of a request can be chosen, and nothing waits for a network.
pub struct Door {
    connections: mpsc::UnboundedSender<DuplexStream>,
}

/// Where the pipes come out.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;

    async fn accept(&mut self) -> std::io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(pipe) => Ok((pipe, SocketAddr::from(([127, 0, 0, 1], 1)))),
            // The door is shut; the server is told to end at the same time.
            None => std::future::pending().await,
        }
    }
}

impl Door {
    /// A new server over a memory store.
    pub fn open() -> Self {
        let (connections, pipes) = mpsc::unbounded_channel();
        let shut = connections.clone();
        tokio::spawn(server::run(parts(), Pipes(pipes), async move { shut.closed().await }));
        Door { connections }
    }

    /// Sends bytes as a connection of their own and answers with what the server says, until it closes. Answers whether it
    /// answered at all; whatever it was given, an answer is HTTP.
    pub async fn request(&self, input: &[u8]) -> bool {
        let (mut near, far) = tokio::io::duplex(64 << 10);
        self.connections.send(far).unwrap_or_else(|_| panic!("the server has ended"));
        // A server that has heard enough need not listen to the rest.
        let _ = near.write_all(input).await;
        let _ = near.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(crate::live::PATIENCE, near.read_to_end(&mut answer)).await;
        read.expect("a request is answered, or its connection closed").expect("a pipe can be read");
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
        !answer.is_empty()
    }
}
