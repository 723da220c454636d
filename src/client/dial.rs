//! The way to a server: a connection, then the WebSocket handshake on it.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, http};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::event::Closed;
use crate::protocol::SUBPROTOCOL;

/// Makes connections: TCP, or a simulated network that a test passes in.
pub trait Connector: Send + Sync + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Connects to a port of a host.
    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// The machine's own network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

impl Connector for Tcp {
    type Io = TcpStream;

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((host, port)).await?;
        // A keystroke leaves at once.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Where a server is.
#[derive(Debug, Clone)]
pub(super) struct Address {
    uri: Uri,
    host: String,
    port: u16,
}

/// An address that no server can be reached at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is no address of a server; expected one such as ws://127.0.0.1:8080/v1/connect{hint}")]
pub struct BadAddress {
    url: String,
    hint: &'static str,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, BadAddress> {
        let bad = |hint| BadAddress { url: url.to_owned(), hint };
        let (uri, host, port) = host_of(url).map_err(bad)?;
        // The server's own address will do too: its WebSocket is at one place.
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path == "/" { "/v1/connect" } else { path };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let uri = format!("ws://{authority}{path}").parse().map_err(|_| bad(""))?;
        Ok(Address { uri, host, port })
    }
}

/// The address of a server in its parts, of its WebSocket or not, with its host and port; or a hint why it is none.
pub(super) fn host_of(url: &str) -> Result<(Uri, String, u16), &'static str> {
    let uri: Uri = url.parse().map_err(|_| "")?;
    match uri.scheme_str() {
        Some("ws" | "http") => {}
        Some("wss" | "https") => return Err(" (this client speaks no TLS: connect behind the proxy)"),
        _ => return Err(""),
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("")?;
    // An IPv6 address stands in brackets in a URL, and without them everywhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(80);
    Ok((uri, host, port))
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum DialError {
    /// There may be one later.
    Passing(String),
    /// There will be none.
    Final(Closed),
}

/// Bytes read from the socket at once; a program may hold thousands of clients.
const READ_BUFFER: usize = 8 << 10;

/// Connects and shakes hands.
pub(super) async fn dial<C: Connector>(connector: &C, address: &Address) -> Result<WebSocketStream<C::Io>, DialError> {
    let passing = |error: &dyn std::fmt::Display| DialError::Passing(error.to_string());
    let io = connector.connect(&address.host, address.port).await.map_err(|error| passing(&error))?;
    let mut request = address.uri.clone().into_client_request().map_err(|error| passing(&error))?;
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        // Whole documents come as one message, and how long they are is the server's affair.
        .max_message_size(None)
        .max_frame_size(None);
    match client_async_with_config(request, io, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(turned_away(&response)),
        Err(error) => Err(passing(&error)),
    }
}

/// The server answered, and not with a WebSocket: a request that is wrong stays so, anything else may pass.
fn turned_away(response: &http::Response<Option<Vec<u8>>>) -> DialError {
    let status = response.status();
    let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let sentence = format!("the server answered with {status}: {body}");
    match status.is_client_error() && status != http::StatusCode::TOO_MANY_REQUESTS {
        true => DialError::Final(Closed::new(None, sentence)),
        false => DialError::Passing(sentence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_host_and_port() {
        let at = |url: &str| Address::parse(url).map(|address| (address.host, address.port));
        assert_eq!(at("ws://127.0.0.1:8080/v1/connect"), Ok(("127.0.0.1".into(), 8080)));
        assert_eq!(at("ws://[::1]:8080/v1/connect"), Ok(("::1".into(), 8080)));
        assert_eq!(at("ws://example.org/v1/connect"), Ok(("example.org".into(), 80)));
        assert_eq!(Address::parse("http://h:1").unwrap().uri, "ws://h:1/v1/connect");
        for bad in ["", "127.0.0.1:8080", "ftp://example.org/", "wss://example.org/v1/connect", "ws:///v1/connect"] {
            assert!(at(bad).is_err(), "{bad:?} was taken");
        }
    }
}
