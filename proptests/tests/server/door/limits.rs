//! Limits: who is over one is told so, nobody else notices, and a counter counts it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptests::live::{Answer, Raw, Server, parts, patient, secret};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use variorum::limits::{Limits, named};
use variorum::server::{Parts, Proxies};
use variorum::store::MemoryStore;

async fn limited(limits: Limits) -> Server {
    Server::with(Arc::new(MemoryStore::new()), limits).await
}

/// How often a limit was met.
async fn hits(server: &Server, limit: &str) -> u64 {
    let page = server.http("GET", "/metrics", &[], "").await.body;
    let line =
        page.lines().find_map(|line| line.strip_prefix(&format!("variorum_limit_hits_total{{limit=\"{limit}\"}} ")));
    line.map_or(0, |count| count.parse().expect("a count is a number"))
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_on_a_socket_and_over_http() {
    let server = limited(Limits { connections: 2, ..Limits::default() }).await;
    let (mut ana, _bo) = (server.client("ana").await, server.client("bo").await);
    ana.open("d", "").await;
    let mut more = Raw::connect(server.address).await;
    assert_eq!(more.hear().await["code"], "too_many_connections");
    assert_eq!(more.close_code().await, Some(4429));
    let answer = server.http("GET", "/v1/docs/d", &[], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "too_many_connections"));
    ana.edited("d", 0, 1, json!(["a"])).await;
    drop(_bo);
    // Once one has left there is room again; its end is seen a moment later.
    let room = async {
        loop {
            let mut newer = Raw::connect(server.address).await;
            if newer.hello_by(&secret("cy"), None).await["type"] == "welcome" {
                break newer;
            }
        }
    };
    drop(patient(room).await);
    let counted = async { while hits(&server, named::connections).await < 2 {} };
    patient(counted).await;
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_large_revisions_ends_early_and_says_so() {
    let server = limited(Limits { revisions_bytes_per_page: 8 << 10, ..Limits::default() }).await;
    let mut ana = server.client("ana").await;
    ana.open("d", "").await;
    let text = "x".repeat(1 << 10);
    for n in 0..20u64 {
        let op = if n == 0 { json!([text]) } else { json!([n << 10, text]) };
        ana.edited("d", n, 1 + n, op).await;
    }
    let (mut since, mut sizes) = (0, Vec::new());
    while since < 20 {
        let page = server.http("GET", &format!("/v1/docs/d/revisions?since={since}"), &[], "").await.json();
        let versions: Vec<_> =
            page["revisions"].as_array().expect("a list").iter().map(|r| r["version"].as_u64().unwrap()).collect();
        let end = page["version"].as_u64().expect("where the page ends");
        assert_eq!((versions, &page["more"]), ((since + 1..=end).collect(), &json!(end < 20)));
        sizes.push(end - since);
        since = end;
    }
    assert_eq!(sizes, [8, 8, 4]);
    server.stop().await;
}

/// A server behind a proxy on this machine, and what it answers to those whom the proxy speaks for.
struct Proxied(Server);

impl Proxied {
    async fn start(limits: Limits) -> Self {
        let proxies = Proxies(vec!["127.0.0.1".parse().expect("an address")]);
        Proxied(Server::of(Parts { limits, proxies, ..parts() }).await)
    }

    async fn http(&self, client: &str, method: &str, path: &str, body: &str) -> Answer {
        self.0.http(method, path, &[("X-Forwarded-For", client)], body).await
    }

    async fn socket(&self, client: &str) -> Raw {
        let mut request = self.0.url().into_client_request().expect("an address is a URL");
        request.headers_mut().insert("X-Forwarded-For", client.parse().expect("a header value"));
        Raw::by(request).await.expect("the server upgrades")
    }
}

#[tokio::test]
async fn behind_a_proxy_each_address_has_its_own_share() {
    let proxied = Proxied::start(Limits { connections_per_address: 2, ..Limits::default() }).await;
    let mut sockets = Vec::new();
    for (client, let_in) in
        [("10.0.0.1", true), ("10.0.0.1", true), ("10.0.0.1", false), ("10.0.0.2", true), ("6.6.6.6, 10.0.0.1", false)]
    {
        let mut socket = proxied.socket(client).await;
        let name = format!("c{}", sockets.len());
        let heard = socket.hello_by(&secret(&name), None).await;
        assert_eq!(heard["type"] == "welcome", let_in, "{client}: {heard}");
        if !let_in {
            assert_eq!(socket.close_code().await, Some(4429));
        }
        sockets.push(socket);
    }
    assert_eq!(hits(&proxied.0, named::connections_per_address).await, 2);
    proxied.0.stop().await;
}

#[tokio::test]
async fn an_address_makes_documents_at_a_rate_and_others_do_not_notice() {
    let proxied = Proxied::start(Limits { documents_made_per_minute: 2, ..Limits::default() }).await;
    let create = r#"{"kind": "text"}"#;
    let branch = r#"{"id": "of-a"}"#;
    for (doc, status) in [("a", 201), ("b", 201), ("c", 429), ("a", 200)] {
        let answer = proxied.http("10.0.0.1", "PUT", &format!("/v1/docs/{doc}"), create).await;
        assert_eq!(answer.status, status, "{doc}: {answer:?}");
        if status == 429 {
            assert_eq!(answer.code(), "rate_limited");
            let seconds: u64 = answer.header("retry-after").expect("it says when").parse().expect("a number");
            assert!((1..=60).contains(&seconds), "{seconds}");
        }
    }
    // A branch is a document too; one that is there already may be asked for.
    assert_eq!(proxied.http("10.0.0.1", "POST", "/v1/docs/a/branches", branch).await.status, 429);
    assert_eq!(proxied.http("10.0.0.2", "POST", "/v1/docs/a/branches", branch).await.status, 201);
    assert_eq!(proxied.http("10.0.0.1", "POST", "/v1/docs/a/branches", branch).await.status, 200);
    let mut raw = proxied.socket("10.0.0.1").await;
    raw.hello(&secret("ana"), "ana").await;
    raw.say(json!({"type": "open", "doc": "d", "create": {"kind": "text"}})).await;
    let error = raw.hears("error").await;
    assert_eq!((&error["code"], &error["reply_to"]), (&json!("rate_limited"), &json!("open")));
    assert!(error["retry_ms"].as_u64().is_some_and(|ms| ms <= 60_000), "{error}");
    raw.open("a", "").await;
    assert_eq!(proxied.http("10.0.0.2", "PUT", "/v1/docs/e", create).await.status, 201);
    assert_eq!(hits(&proxied.0, named::documents_made_per_minute).await, 3);
    proxied.0.stop().await;
}

#[tokio::test]
async fn no_more_documents_are_in_memory_than_may_be() {
    let limits = Limits { open_documents: 2, document_idle: Duration::from_millis(50), ..Limits::default() };
    let server = limited(limits).await;
    let mut ana = server.client("ana").await;
    ana.open("a", "").await;
    ana.open("b", "").await;
    ana.say(json!({"type": "open", "doc": "c", "create": {"kind": "text"}})).await;
    assert_eq!(ana.hears("error").await["code"], "too_many_documents");
    let refused = server.http("PUT", "/v1/docs/c", &[], r#"{"kind": "text"}"#).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "too_many_documents"));
    ana.edited("a", 0, 1, json!(["a"])).await;
    ana.say(json!({"type": "close", "doc": "b"})).await;
    ana.hears("closed").await;
    // It leaves memory a moment later.
    let room = async { while server.http("PUT", "/v1/docs/c", &[], r#"{"kind": "text"}"#).await.status == 429 {} };
    patient(room).await;
    server.stop().await;
}

#[tokio::test]
async fn who_sends_too_much_is_read_more_slowly_and_others_are_not() {
    let limits =
        Limits { presence_per_second: 5, checks_per_second: 5, bytes_per_second: 4 << 10, ..Limits::default() };
    let server = limited(limits).await;
    let mut other = server.client("bo").await;
    other.open("d", "").await;
    let long = "x".repeat(1 << 10);
    for (limit, message) in [
        (named::presence_per_second, json!({"type": "presence", "doc": "d", "version": 0, "state": {"n": 1}})),
        (named::checks_per_second, json!({"type": "check", "doc": "d", "version": 0, "sum": "00000000"})),
        (named::bytes_per_second, json!({"type": "ping", "ignored": long})),
    ] {
        let mut flood = server.client(&limit[..4]).await;
        flood.open("d", "").await;
        let began = Instant::now();
        for _ in 0..12 {
            flood.say(message.clone()).await;
        }
        flood.say(json!({"type": "close", "doc": "d"})).await;
        while flood.hear().await["type"] != "closed" {}
        // Twelve fit into two seconds and a part of the third, however the first was begun.
        assert!(began.elapsed() >= Duration::from_secs(1), "{limit}: {:?}", began.elapsed());
        assert!(hits(&server, limit).await >= 2, "{limit}");
    }
    let began = Instant::now();
    other.say(json!({"type": "ping"})).await;
    other.hears("pong").await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn who_sends_pings_without_end_is_read_more_slowly() {
    let limits = Limits { controls_per_second: 5, ..Limits::default() };
    let server = limited(limits).await;
    let mut flood = server.client("flood").await;
    let began = Instant::now();
    for _ in 0..12 {
        flood.frame(Message::Ping(Default::default())).await;
    }
    flood.say(json!({"type": "ping"})).await;
    flood.hears("pong").await;
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(hits(&server, named::controls_per_second).await >= 2);
    server.stop().await;
}

#[tokio::test]
async fn nothing_large_is_taken_from_someone_who_has_not_said_who_they_are() {
    let server = limited(Limits::default()).await;
    let large = "x".repeat(1 << 20);
    for first in [json!({"type": "hello", "protocol": 1, "client": large}), json!({"type": "ping", "ignored": large})] {
        let mut stranger = Raw::connect(server.address).await;
        // It may be cut off before all of it was sent.
        stranger.try_frame(Message::text(first.to_string())).await;
        let heard = stranger.hear().await;
        assert_eq!((&heard["type"], &heard["code"]), (&json!("error"), &json!("too_large")));
        assert_eq!(stranger.close_code().await, Some(4413));
    }
    assert_eq!((hits(&server, named::hello_bytes).await, hits(&server, named::frame_bytes).await), (2, 0));
    // What follows hello at once may be as large as ever.
    let mut ana = Raw::connect(server.address).await;
    ana.say(json!({"type": "hello", "protocol": 1, "client": secret("ana")})).await;
    ana.say(json!({"type": "open", "doc": "d", "create": {"kind": "text"}})).await;
    ana.edit("d", 0, 1, json!([large])).await;
    for kind in ["welcome", "opened", "ack"] {
        ana.hears(kind).await;
    }
    server.stop().await;
}

/// Writes all of this on a client's connection, beneath its WebSocket.
async fn write_raw(raw: &Raw, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        patient(raw.stream().writable()).await.expect("it is a socket");
        match raw.stream().try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // It was cut off.
            Err(_) => break,
        }
    }
}

#[tokio::test]
async fn what_is_never_finished_is_held_within_a_bound_for_everyone() {
    let server = limited(Limits { unfinished_bytes: 64 << 10, ..Limits::default() }).await;
    let mut ana = server.client("ana").await;
    ana.open("d", "").await;
    // A text of 200,000 bytes, masked with zeros, of which half comes.
    let begun = [&[0x81, 0xff][..], &200_000_u64.to_be_bytes(), &[0; 4], &[b'x'; 100_000]].concat();
    let mut endless = server.client("endless").await;
    write_raw(&endless, &begun).await;
    assert_eq!(endless.hears("error").await["code"], "too_many_connections");
    assert_eq!(endless.close_code().await, Some(4429));
    let mut body = socket_of(&server).await;
    let head = "PUT /v1/docs/e HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n";
    body.write_all(&[head.as_bytes(), &[b' '; 100_000]].concat()).await.expect("it is sent");
    let mut answer = Vec::new();
    let _ = patient(body.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("rate_limited"), "{answer}");
    assert_eq!(hits(&server, named::unfinished_bytes).await, 2);
    // Nobody else notices, and what was held is given back.
    let text = "x".repeat(70 << 10);
    for n in 0..3 {
        let op = if n == 0 { json!([text]) } else { json!([n * (70 << 10), text]) };
        ana.edited("d", n, 1 + n, op).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_not_held_for_ever() {
    let server = limited(Limits { write_time: Duration::from_secs(2), ..Limits::default() }).await;
    let content = json!({"kind": "text", "content": "x".repeat(6 << 20)}).to_string();
    assert_eq!(server.http("PUT", "/v1/docs/d", &[], &content).await.status, 201);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("a small buffer");
    let mut stream = socket.connect(server.address).await.expect("the server accepts");
    stream.write_all(b"GET /v1/docs/d/content HTTP/1.1\r\nHost: test\r\n\r\n").await.expect("it is sent");
    let counted = async { while hits(&server, named::write_time).await == 0 {} };
    patient(counted).await;
    // What had left before is there to be read, and then the connection is at its end.
    let mut read = Vec::new();
    let _ = patient(stream.read_to_end(&mut read)).await;
    assert!(read.len() < 6 << 20, "{} bytes", read.len());
    // One who reads slowly, but reads, gets all of it.
    let mut slow = socket_of(&server).await;
    slow.write_all(b"GET /v1/docs/d/content HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await
        .expect("it is sent");
    let (mut all, mut piece) = (0, vec![0; 1 << 20]);
    loop {
        let read = patient(slow.read(&mut piece)).await.expect("it is read");
        all += read;
        if read == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(all > 6 << 20, "{all} bytes");
    server.stop().await;
}

async fn socket_of(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.expect("the server accepts")
}

#[tokio::test]
async fn an_address_asks_at_a_rate_and_others_do_not_notice() {
    let proxied = Proxied::start(Limits { requests_per_second: 1, ..Limits::default() }).await;
    let refused = async {
        loop {
            let answer = proxied.http("10.0.0.1", "GET", "/v1/docs/d", "").await;
            if answer.status != 404 {
                break answer;
            }
        }
    };
    let refused = patient(refused).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    assert_eq!(proxied.http("10.0.0.2", "GET", "/v1/docs/d", "").await.status, 404);
    assert!(hits(&proxied.0, named::requests_per_second).await >= 1);
    proxied.0.stop().await;
}

/// A way to take a place and say nothing useful.
#[derive(Debug, Clone, Copy)]
enum Idler {
    HalfOpen,
    SlowHeader,
    SlowBody,
    NeverHello,
}

const IDLERS: [Idler; 4] = [Idler::HalfOpen, Idler::SlowHeader, Idler::SlowBody, Idler::NeverHello];

/// Idles, a byte now and then where it can, until the server ends it; answers how long that took.
async fn idle(server: std::net::SocketAddr, how: Idler) -> Duration {
    let mut stream = TcpStream::connect(server).await.expect("the server accepts");
    let began = Instant::now();
    let (head, drip): (&[u8], &[u8]) = match how {
        Idler::HalfOpen => (b"", b""),
        Idler::SlowHeader => (b"GET /v1/docs/d HTTP/1.1\r\nHost: test\r\nX: ", b"x"),
        Idler::SlowBody => (b"PUT /v1/docs/d HTTP/1.1\r\nHost: test\r\nContent-Length: 5000\r\n\r\n", b"x"),
        Idler::NeverHello => (
            b"GET /v1/connect HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              Sec-WebSocket-Protocol: variorum.v1\r\n\r\n",
            b"",
        ),
    };
    stream.write_all(head).await.expect("the head is sent");
    let (mut from, mut to) = stream.split();
    let mut heard = [0; 512];
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            read = from.read(&mut heard) => if matches!(read, Ok(0) | Err(_)) { break },
            _ = every.tick() => if !drip.is_empty() && to.write_all(drip).await.is_err() { break },
        }
    }
    began.elapsed()
}

/// The 99th percentile of the time that an honest client takes to connect and be welcomed, while `idlers` of each sort are
/// there; and the longest that one of those lasted.
async fn beside_idlers(server: &Server, idlers: usize) -> (Duration, Duration) {
    let address = server.address;
    let mut idling = JoinSet::new();
    for n in 0..idlers * IDLERS.len() {
        idling.spawn(idle(address, IDLERS[n % IDLERS.len()]));
    }
    let mut took = Vec::new();
    let mut longest = Duration::ZERO;
    let mut honest = 0;
    while !idling.is_empty() {
        let began = Instant::now();
        let mut raw = Raw::connect(address).await;
        raw.hello(&secret(&format!("h{honest}")), "honest").await;
        took.push(began.elapsed());
        honest += 1;
        drop(raw);
        while let Some(lasted) = idling.try_join_next() {
            longest = longest.max(lasted.expect("an idler does not fail"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    took.sort_unstable();
    println!(
        "{honest} honest connects: p50 {:?}, p99 {:?}; the last idler left after {longest:?}",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
    (took[took.len() * 99 / 100], longest)
}

/// `IDLERS=500` takes 500 of each of the four sorts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_gone_in_10_s_and_an_honest_client_does_not_notice() {
    let idlers = std::env::var("IDLERS").map_or(50, |number| number.parse().expect("IDLERS is a number"));
    let server = Server::start().await;
    let (p99, longest) = beside_idlers(&server, idlers).await;
    assert!(longest <= Duration::from_secs(10), "the last idler left after {longest:?}");
    assert!(p99 <= Duration::from_millis(200), "an honest connect took {p99:?} at p99");
    for limit in [named::header_time, named::body_time, named::hello_time] {
        assert!(hits(&server, limit).await >= idlers as u64, "{limit}");
    }
    server.stop().await;
}
