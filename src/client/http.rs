//! Requests to a server's HTTP part: one connection each, which is all that commands and tests need.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use super::Identity;
use super::dial::{Connector, Tcp, host_of};
use crate::protocol::{Code, ErrorBody};

/// How long an answer may take: a search of a long history takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// What stays as it is in a path or query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The server says no.
    #[error("{message} ({code})")]
    Refused {
        /// The code.
        code: Code,
        /// The sentence.
        message: String,
    },
    /// There was no answer, or none that is of this protocol.
    #[error("{0}")]
    Failed(String),
}

/// A server's HTTP part.
#[derive(Debug, Clone)]
pub struct Http<C = Tcp> {
    connector: C,
    host: String,
    port: u16,
    /// What stands before `/v1`, behind some proxies.
    base: String,
    token: Option<String>,
}

impl Http {
    /// The server at an address such as `http://127.0.0.1:8080`; that of its WebSocket will do too.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, RequestError> {
        Self::through(Tcp, url, token)
    }
}

impl<C: Connector> Http<C> {
    /// The same over a network of the caller's.
    pub fn through(connector: C, url: &str, token: Option<String>) -> Result<Self, RequestError> {
        let bad = |hint| {
            let example = "http://127.0.0.1:8080";
            RequestError::Failed(format!("{url:?} is no address of a server; expected one such as {example}{hint}"))
        };
        let (uri, host, port) = host_of(url).map_err(bad)?;
        let base = uri.path().trim_end_matches("/v1/connect").trim_end_matches('/').to_owned();
        Ok(Http { connector, host, port, base, token })
    }

    /// What a `GET` answers, read as JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, RequestError> {
        read(path, &self.request(Method::GET, path, query, Bytes::new()).await?)
    }

    /// The body of the answer to any request. `path` begins with `/v1`, and what in it comes from outside is [`encoded`].
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Bytes,
    ) -> Result<Bytes, RequestError> {
        self.send(method, path, query, body, None).await
    }

    /// The body of the answer to a `POST` that is done once, however often it arrives: without an answer it is sent a second
    /// time.
    pub async fn post_once(&self, path: &str, body: Bytes) -> Result<Bytes, RequestError> {
        let key = Identity::random().client;
        match self.send(Method::POST, path, &[], body.clone(), Some(&key)).await {
            Err(RequestError::Failed(_)) => self.send(Method::POST, path, &[], body, Some(&key)).await,
            answered => answered,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Bytes,
        key: Option<&str>,
    ) -> Result<Bytes, RequestError> {
        let asked = tokio::time::timeout(PATIENCE, self.ask(method, path, query, body, key)).await;
        asked.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(RequestError::Failed(format!("{} did not answer within {seconds} s", self.host)))
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Bytes,
        key: Option<&str>,
    ) -> Result<Bytes, RequestError> {
        let (host, port) = (self.host.as_str(), self.port);
        let failed = |error: &dyn std::fmt::Display| RequestError::Failed(format!("{host}:{port}: {error}"));
        let unreached = |error| RequestError::Failed(format!("no server answers at {host}:{port}: {error}"));
        let io = self.connector.connect(host, port).await.map_err(unreached)?;
        let (mut sender, connection) = handshake(TokioIo::new(io)).await.map_err(|error| failed(&error))?;
        // It ends with the answer.
        let connection = tokio::spawn(connection);
        let mut target = format!("{}{path}", self.base);
        for (place, (name, value)) in query.iter().enumerate() {
            target += &format!("{}{name}={}", if place == 0 { '?' } else { '&' }, encoded(value));
        }
        let mut request = Request::builder().method(method).uri(target).header(HOST, format!("{host}:{port}"));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).map_err(|error| failed(&error))?;
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        connection.abort();
        if status.is_success() {
            return Ok(body);
        }
        Err(match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(ErrorBody { error }) => RequestError::Refused { code: error.code, message: error.message },
            Err(_) => failed(&format_args!("the server answered with {status}")),
        })
    }
}

/// The answer to a request to `path`, as JSON.
pub(super) fn read<T: DeserializeOwned>(path: &str, answer: &[u8]) -> Result<T, RequestError> {
    let strange = |error| RequestError::Failed(format!("the answer to {path} is not what was expected: {error}"));
    serde_json::from_slice(answer).map_err(strange)
}

/// A text as it stands in a path or query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
