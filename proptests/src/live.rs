//! A real server on a loopback port and raw clients that say exactly what a test writes: what the protocol tests speak with.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use variorum::hub::System;
use variorum::limits::Limits;
use variorum::metrics::Metrics;
use variorum::server::{self, Entry, Origins, Parts, Proxies, Tokens};
use variorum::store::{MemoryStore, Store};

/// How long anything may take before a test fails: a bound on hanging, never a measure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Server {
    /// Over a new memory store, with the usual limits.
    pub async fn start() -> Self {
        Self::with(Arc::new(MemoryStore::new()), Limits::default()).await
    }

    /// Over this store, with these limits.
    pub async fn with(store: Arc<dyn Store>, limits: Limits) -> Self {
        Self::of(Parts { store, limits, ..parts() }).await
    }

    /// That asks for tokens.
    pub async fn guarded(tokens: Tokens) -> Self {
        Self::of(Parts { entry: Entry::Tokens(Box::new(tokens)), ..parts() }).await
    }

    /// Made of these parts.
    pub async fn of(parts: Parts) -> Self {
        let listener = server::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (stop, asked) = oneshot::channel();
        let running = tokio::spawn(server::run(parts, listener, async {
            // Dropping the sender asks too.
            let _ = asked.await;
        }));
        Server { address, stop: Some(stop), running }
    }

    /// Asks the server to go away, without waiting.
    pub fn ask_to_stop(&mut self) {
        self.stop.take();
    }

    /// Stops it gracefully and waits for its end.
    pub async fn stop(mut self) {
        self.stop.take();
        patient(self.running).await.expect("the server ends without a panic");
    }

    /// A request over HTTP: status, headers as text, and body.
    pub async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http(self.address, method, path, headers, body).await
    }

    /// A request whose body is no text.
    pub async fn http_bytes(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        http_bytes(self.address, method, path, headers, body).await
    }

    /// Where its WebSocket is.
    pub fn url(&self) -> String {
        url(self.address)
    }

    /// A client that has said hello.
    pub async fn client(&self, name: &str) -> Raw {
        let mut raw = Raw::connect(self.address).await;
        raw.hello(&secret(name), name).await;
        raw
    }
}

/// What the usual server is made of.
pub fn parts() -> Parts {
    Parts {
        store: Arc::new(MemoryStore::new()),
        world: Arc::new(System),
        limits: Limits::default(),
        metrics: Metrics::new(),
        entry: Entry::Open,
        origins: Origins::default(),
        keeping: Default::default(),
        proxies: Proxies::default(),
    }
}

/// Where the WebSocket of a server at this address is.
pub fn url(address: SocketAddr) -> String {
    format!("ws://{address}/v1/connect")
}

/// A request over HTTP: status, headers as text, and body.
pub async fn http(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    http_bytes(address, method, path, headers, body.as_bytes()).await
}

async fn http_bytes(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = TcpStream::connect(address).await.expect("the server accepts");
    patient(exchange(stream, method, path, headers, body)).await.expect("the request is answered")
}

/// A request over HTTP on a connection of its own.
pub async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[request.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Answer::parse(&answer, method).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Every revision of a document, one by one, through the catch-up endpoint.
pub async fn history(address: SocketAddr, doc: &str) -> Vec<Value> {
    let mut revisions = Vec::new();
    loop {
        let path = format!("/v1/docs/{doc}/revisions?since={}&limit=5000", revisions.len());
        let mut page = http(address, "GET", &path, &[], "").await.json();
        let Some(Value::Array(more)) = page.get_mut("revisions").map(Value::take) else {
            panic!("a page has revisions: {page}");
        };
        revisions.extend(more);
        if page["more"] == json!(false) {
            return revisions;
        }
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The answer in these bytes to a request of this method; none if they end before it does.
    fn parse(bytes: &[u8], method: &str) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let head = head.to_lowercase();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = if head.contains("transfer-encoding: chunked") { dechunk(body)? } else { body.to_owned() };
        let answer = Answer { status, head, body };
        // What a HEAD or a 304 would have said is promised and not sent.
        let bare = method == "HEAD" || answer.status == 304;
        let promised = answer.header("content-length").and_then(|length| length.parse().ok());
        promised.is_none_or(|length: usize| bare || answer.body.len() >= length).then_some(answer)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The error code in the body.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    }
}

fn dechunk(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole += rest.get(..size)?;
        body = rest.get(size + 2..)?;
    }
}

/// A client id of 22 characters, made from a name.
pub fn secret(name: &str) -> String {
    format!("{name:-<22.22}")
}

/// A client that says what it is told to.
pub struct Raw {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// This connection's public id, once welcomed.
    pub session: String,
}

impl Raw {
    /// Connects, and says nothing yet.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address, Some("variorum.v1")).await.expect("the server upgrades")
    }

    /// Connects offering a subprotocol, or none.
    pub async fn try_connect(address: SocketAddr, subprotocol: Option<&str>) -> Result<Self, Error> {
        let request = url(address).into_client_request()?;
        Self::offering(request, subprotocol).await
    }

    /// Connects by this request.
    pub async fn by(request: Request) -> Result<Self, Error> {
        Self::offering(request, Some("variorum.v1")).await
    }

    async fn offering(mut request: Request, subprotocol: Option<&str>) -> Result<Self, Error> {
        if let Some(name) = subprotocol {
            let name = name.parse().expect("a subprotocol is a header value");
            request.headers_mut().insert("Sec-WebSocket-Protocol", name);
        }
        let (socket, _) = patient(tokio_tungstenite::connect_async(request)).await?;
        Ok(Raw { socket, session: String::new() })
    }

    /// Connects through a socket whose receive buffer is small, so that it is soon full when nothing is read.
    pub async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 << 10).expect("a small buffer");
        let stream = socket.connect(address).await.expect("the server accepts");
        let mut request = format!("ws://{address}/v1/connect").into_client_request().expect("an address is a URL");
        request.headers_mut().insert("Sec-WebSocket-Protocol", "variorum.v1".parse().expect("a header value"));
        let config = WebSocketConfig::default().read_buffer_size(4 << 10);
        let stream = MaybeTlsStream::Plain(stream);
        let upgraded = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        let (socket, _) = patient(upgraded).await.expect("the server upgrades");
        Raw { socket, session: String::new() }
    }

    /// Says hello with a token, and answers what comes back.
    pub async fn hello_by(&mut self, client: &str, token: Option<&str>) -> Value {
        self.say(json!({"type": "hello", "protocol": 1, "client": client, "token": token})).await;
        let heard = self.hear().await;
        self.session = heard["session"].as_str().unwrap_or_default().to_owned();
        heard
    }

    /// Says hello and hears the welcome.
    pub async fn hello(&mut self, client: &str, name: &str) -> Value {
        self.say(json!({"type": "hello", "protocol": 1, "client": client, "name": name})).await;
        let welcome = self.hears("welcome").await;
        self.session = welcome["session"].as_str().expect("a session is a string").to_owned();
        welcome
    }

    /// Sends a message.
    pub async fn say(&mut self, message: Value) {
        self.frame(Message::text(message.to_string())).await;
    }

    /// Sends a frame.
    pub async fn frame(&mut self, frame: Message) {
        patient(self.socket.send(frame)).await.expect("the frame is sent");
    }

    /// Sends a frame if the connection is still there.
    pub async fn try_frame(&mut self, frame: Message) -> bool {
        patient(self.socket.send(frame)).await.is_ok()
    }

    /// The next frame; none when the connection has ended.
    pub async fn next(&mut self) -> Option<Message> {
        patient(self.socket.next()).await.and_then(Result::ok)
    }

    /// The next message.
    pub async fn hear(&mut self) -> Value {
        loop {
            match self.next().await {
                Some(Message::Text(text)) => return serde_json::from_str(&text).expect("the server says JSON"),
                Some(Message::Ping(_) | Message::Pong(_)) => continue,
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// The next message of this type; presence is passed over unless asked for, anything else fails the test.
    pub async fn hears(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await;
            match message["type"].as_str() {
                Some(heard) if heard == kind => return message,
                Some("presence") => continue,
                _ => panic!("expected {kind}, got {message}"),
            }
        }
    }

    /// Reads until the connection ends, and answers the close code.
    pub async fn close_code(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if let Message::Close(Some(close)) = frame {
                code = Some(u16::from(close.code));
            }
        }
        code
    }

    /// Opens a document, making it with this content if it is not there; answers `opened`.
    pub async fn open(&mut self, doc: &str, content: &str) -> Value {
        self.say(json!({"type": "open", "doc": doc, "create": {"kind": "text", "content": content}})).await;
        self.hears("opened").await
    }

    /// Opens a document, making it if it is not there, and passes over errors that answer what was said before.
    pub async fn open_and_skip_errors(&mut self, doc: &str) -> Value {
        self.say(json!({"type": "open", "doc": doc, "create": {"kind": "text"}})).await;
        loop {
            let message = self.hear().await;
            match message["type"].as_str() {
                Some("opened") => return message,
                Some("presence" | "error") => continue,
                _ => panic!("expected opened, got {message}"),
            }
        }
    }

    /// Sends an edit.
    pub async fn edit(&mut self, doc: &str, version: u64, seq: u64, op: Value) {
        self.say(json!({"type": "edit", "doc": doc, "version": version, "seq": seq, "op": op})).await;
    }

    /// Sends an edit and hears its ack.
    pub async fn edited(&mut self, doc: &str, version: u64, seq: u64, op: Value) -> Value {
        self.edit(doc, version, seq, op).await;
        self.hears("ack").await
    }

    /// The TCP stream beneath.
    pub fn stream(&self) -> &TcpStream {
        match self.socket.get_ref() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => unreachable!("tests speak without TLS"),
        }
    }
}

/// Waits, but not for ever.
pub async fn patient<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it should not take this long")
}
