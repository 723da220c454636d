//! Web pages of elsewhere: which may use the server, and what browsers are told.

use proptests::live::{Server, parts};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use variorum::server::{Origins, Parts};

/// The status that a page's WebSocket is answered with: 101 if it is opened.
async fn upgrade(server: &Server, origin: Option<&str>) -> u16 {
    let headers = [
        ("Connection", "upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "variorum.v1"),
    ];
    let mut request = server.url().into_client_request().expect("an address is a URL");
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().expect("a header value"));
    }
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().expect("a header value"));
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn pages_of_elsewhere_open_no_socket_and_change_nothing() {
    let allowed = vec!["https://app.example.com".parse().expect("an origin")];
    let server = Server::of(Parts { origins: Origins { allowed, ..Origins::default() }, ..parts() }).await;
    let own = format!("http://{}", server.address);
    for (origin, opens) in [
        (None, true),
        (Some(own.as_str()), true),
        (Some("https://app.example.com"), true),
        (Some("https://evil.example"), false),
        (Some("http://app.example.com"), false),
        (Some("https://app.example.com:8443"), false),
        (Some("null"), false),
    ] {
        assert_eq!(upgrade(&server, origin).await, if opens { 101 } else { 403 }, "{origin:?}");
        let host = server.address.to_string();
        let mut headers = vec![("Host", host.as_str())];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        let path = "/v1/docs/d";
        let made = bare_http(&server, "PUT", path, &headers, r#"{"kind": "text"}"#).await;
        assert_eq!(made < 300, opens, "{origin:?}: {made}");
        // Reading changes nothing, and a page of elsewhere is not let to see the answer.
        assert_eq!(bare_http(&server, "GET", path, &headers, "").await, 200, "{origin:?}");
    }
    server.stop().await;
}

/// A request whose `Host` is the test's own.
async fn bare_http(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = tokio::net::TcpStream::connect(server.address).await.expect("the server accepts");
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the answer is read");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status")
}

#[tokio::test]
async fn pages_of_allowed_origins_read_the_answers() {
    let allowed = vec!["https://app.example.com".parse().expect("an origin")];
    let server = Server::of(Parts { origins: Origins { allowed, ..Origins::default() }, ..parts() }).await;
    let page = ("Origin", "https://app.example.com");
    let asked = [page, ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "authorization")];
    let preflight = server.http("OPTIONS", "/v1/docs/d", &asked, "").await;
    assert_eq!(preflight.status, 204, "{preflight:?}");
    let said = |name: &str| preflight.header(name).unwrap_or_default();
    assert_eq!(said("access-control-allow-origin"), "https://app.example.com");
    assert!(said("access-control-allow-methods").contains("put"), "{preflight:?}");
    assert!(said("access-control-allow-headers").contains("authorization"), "{preflight:?}");
    server.http("PUT", "/v1/docs/d", &[page], r#"{"kind": "text"}"#).await;
    for (path, status) in [("/v1/docs/d", 200), ("/v1/docs/none", 404)] {
        let answer = server.http("GET", path, &[page], "").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("https://app.example.com"));
        assert!(answer.header("access-control-expose-headers").is_some_and(|names| names.contains("etag")));
        assert_eq!(answer.header("vary").as_deref(), Some("origin"));
        let stranger = server.http("GET", path, &[("Origin", "https://evil.example")], "").await;
        assert_eq!(stranger.header("access-control-allow-origin"), None, "{stranger:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_lets_this_machine_in_answers_to_its_own_names_only() {
    let origins = Origins { local_names_only: true, ..Origins::default() };
    let server = Server::of(Parts { origins, ..parts() }).await;
    let port = server.address.port();
    for (host, answers) in [
        (format!("localhost:{port}"), true),
        (format!("127.0.0.1:{port}"), true),
        (format!("evil.example:{port}"), false),
    ] {
        let status = bare_http(&server, "PUT", "/v1/docs/d", &[("Host", &host)], r#"{"kind": "text"}"#).await;
        assert_eq!(status < 300, answers, "{host}: {status}");
    }
    server.stop().await;
}
