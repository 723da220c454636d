//! The WebSocket itself (RFC 6455), frame by frame against the running server: fragments, UTF-8, control frames, reserved
//! bits, close codes. `scripts/autobahn.sh` runs Autobahn's suite against the same code.

use proptests::live::{Server, patient, secret};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TEXT: u8 = 0x1;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;

/// A connection that is upgraded and has said nothing.
struct Wire(TcpStream);

impl Wire {
    async fn connect(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let upgrade = "GET /v1/connect HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Protocol: other, variorum.v1\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(patient(stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        // The example of RFC 6455, section 1.3.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
        assert!(head.contains("sec-websocket-protocol: variorum.v1\r\n"), "{head}");
        Wire(stream)
    }

    async fn welcomed(server: &Server) -> Self {
        let mut wire = Wire::connect(server).await;
        wire.frame(FIN | TEXT, hello().as_bytes()).await;
        assert_eq!(wire.hears().await["type"], "welcome");
        wire
    }

    /// Sends a frame with this first byte, masked.
    async fn frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | len as u8),
            len @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.bytes(&frame).await;
    }

    async fn bytes(&mut self, bytes: &[u8]) {
        // A server that has had enough has closed.
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame: first byte and payload.
    async fn next(&mut self) -> (u8, Vec<u8>) {
        patient(async {
            let first = self.0.read_u8().await.unwrap();
            let second = self.0.read_u8().await.unwrap();
            assert_eq!(second & 0x80, 0, "a server masks nothing");
            let len = match second {
                126 => u64::from(self.0.read_u16().await.unwrap()),
                127 => self.0.read_u64().await.unwrap(),
                len => u64::from(len),
            };
            let mut payload = vec![0; len as usize];
            self.0.read_exact(&mut payload).await.unwrap();
            (first, payload)
        })
        .await
    }

    /// The next message.
    async fn hears(&mut self) -> Value {
        let (first, payload) = self.next().await;
        assert_eq!(first, FIN | TEXT);
        serde_json::from_slice(&payload).unwrap()
    }

    /// Reads until the close frame, and answers its code; the connection then ends.
    async fn close_code(&mut self) -> u16 {
        let code = loop {
            let (first, payload) = self.next().await;
            if first == FIN | CLOSE {
                break payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
            }
        };
        self.frame(FIN | CLOSE, &code.to_be_bytes()).await;
        let mut rest = Vec::new();
        let _ = patient(self.0.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "nothing follows a close");
        code
    }
}

fn hello() -> String {
    json!({"type": "hello", "protocol": 1, "client": secret("wire"), "name": "𝄞 é"}).to_string()
}

#[tokio::test]
async fn a_message_may_come_in_any_pieces() {
    let server = Server::start().await;
    for size in [1, 2, 7, 1000] {
        let mut wire = Wire::connect(&server).await;
        let hello = hello();
        let pieces: Vec<&[u8]> = hello.as_bytes().chunks(size).collect();
        for (place, piece) in pieces.iter().enumerate() {
            let opcode = if place == 0 { TEXT } else { CONTINUATION };
            let fin = if place + 1 == pieces.len() { FIN } else { 0 };
            // Control frames may come between the pieces, and a piece may be empty.
            wire.frame(FIN | PING, b"between").await;
            if place > 0 && fin == 0 {
                wire.frame(CONTINUATION, b"").await;
            }
            wire.frame(fin | opcode, piece).await;
        }
        let mut pongs = 0;
        loop {
            match wire.next().await {
                (first, payload) if first == FIN | PONG => {
                    assert_eq!(payload, b"between");
                    pongs += 1;
                }
                (_, payload) => {
                    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["type"], "welcome");
                    break;
                }
            }
        }
        assert!(pongs >= 1, "pings between the pieces are answered");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_byte_at_a_time_is_a_message_too() {
    let server = Server::start().await;
    let mut wire = Wire::welcomed(&server).await;
    let ping = br#"{"type":"ping"}"#;
    let mut frame = vec![FIN | TEXT, 0x80 | ping.len() as u8, 0, 0, 0, 0];
    frame.extend(ping);
    for byte in frame {
        wire.bytes(&[byte]).await;
    }
    assert_eq!(wire.hears().await["type"], "pong");
    server.stop().await;
}

#[tokio::test]
async fn pings_are_answered_with_what_they_carry_and_stray_pongs_with_nothing() {
    let server = Server::start().await;
    let mut wire = Wire::welcomed(&server).await;
    for payload in [&b""[..], b"\xff\xfe\x00", &[7; 125]] {
        wire.frame(FIN | PING, payload).await;
        assert_eq!(wire.next().await, (FIN | PONG, payload.to_vec()));
    }
    wire.frame(FIN | PONG, b"unasked").await;
    wire.frame(FIN | TEXT, br#"{"type":"ping"}"#).await;
    assert_eq!(wire.hears().await["type"], "pong");
    server.stop().await;
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_1002() {
    let server = Server::start().await;
    type Frames = Vec<(u8, Vec<u8>)>;
    let breaks: [(&str, Frames); 14] = [
        ("the first reserved bit", vec![(FIN | 0x40 | TEXT, b"{}".to_vec())]),
        ("the second reserved bit", vec![(FIN | 0x20 | TEXT, b"{}".to_vec())]),
        ("the third reserved bit", vec![(FIN | 0x10 | PING, b"".to_vec())]),
        ("a reserved opcode", vec![(FIN | 0x3, b"".to_vec())]),
        ("a reserved control opcode", vec![(FIN | 0xb, b"".to_vec())]),
        ("a ping in pieces", vec![(PING, b"a".to_vec())]),
        ("a ping of 126 bytes", vec![(FIN | PING, vec![7; 126])]),
        ("a close of 126 bytes", vec![(FIN | CLOSE, vec![3; 126])]),
        ("a continuation of nothing", vec![(FIN | CONTINUATION, b"{}".to_vec())]),
        ("a message within a message", vec![(TEXT, b"{".to_vec()), (FIN | TEXT, b"}".to_vec())]),
        ("a close with half a code", vec![(FIN | CLOSE, vec![3])]),
        ("a close code that is reserved", vec![(FIN | CLOSE, 1005_u16.to_be_bytes().to_vec())]),
        ("a close code of nobody's", vec![(FIN | CLOSE, 1100_u16.to_be_bytes().to_vec())]),
        ("a close code below all", vec![(FIN | CLOSE, 999_u16.to_be_bytes().to_vec())]),
    ];
    for (what, frames) in breaks {
        let mut wire = Wire::welcomed(&server).await;
        for (first, payload) in frames {
            wire.frame(first, &payload).await;
        }
        assert_eq!(wire.close_code().await, 1002, "{what}");
    }
    // A frame that is not masked.
    let mut wire = Wire::welcomed(&server).await;
    wire.bytes(&[FIN | TEXT, 2, b'{', b'}']).await;
    assert_eq!(wire.close_code().await, 1002, "an unmasked frame");
    server.stop().await;
}

#[tokio::test]
async fn text_that_is_none_is_closed_with_1007() {
    let server = Server::start().await;
    let wrong: [&[u8]; 8] = [
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\x80",
        b"\xce",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    ];
    for text in wrong {
        let mut wire = Wire::welcomed(&server).await;
        wire.frame(FIN | TEXT, text).await;
        assert_eq!(wire.close_code().await, 1007, "{text:x?}");
        // In pieces that cut it apart, and in the reason of a close.
        let mut wire = Wire::welcomed(&server).await;
        wire.frame(TEXT, &text[..1]).await;
        wire.frame(FIN | CONTINUATION, &text[1..]).await;
        assert_eq!(wire.close_code().await, 1007, "{text:x?} in pieces");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let server = Server::start().await;
    for code in [1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        let mut wire = Wire::welcomed(&server).await;
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend("goodbye 𝄞".as_bytes());
        wire.frame(FIN | CLOSE, &payload).await;
        assert_eq!(wire.close_code().await, code);
    }
    let mut wire = Wire::welcomed(&server).await;
    wire.frame(FIN | CLOSE, b"").await;
    assert!(matches!(wire.close_code().await, 1000 | 1005), "a close without a code");
    server.stop().await;
}
