//! Which web pages may use the server from a browser: those of its own origin, and those it was told of.
//!
//! A browser lets any page open a WebSocket to any server, and send it requests; it only says from which page. Programs
//! that are no browser say nothing, and are asked for nothing here.

use std::net::IpAddr;
use std::str::FromStr;

use warp::http::{HeaderMap, HeaderValue, Method, header};

use super::access::Denied;
use crate::protocol::Code;

/// The request headers that pages of allowed origins may send.
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Variorum-Client, Variorum-Pending";
/// The answer's headers that they may read.
const ANSWER_HEADERS: &str = "ETag, Location, Retry-After, WWW-Authenticate";
/// For how long a browser need not ask again.
const MAX_AGE_SECONDS: &str = "600";

/// A scheme, a host and a port, as browsers write them: `https://app.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// What is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin; expected a scheme, a host and perhaps a port, as in https://app.example.com")]
pub struct BadOrigin(String);

impl FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let bad = || BadOrigin(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let (scheme, authority) = lower.split_once("://").ok_or_else(bad)?;
        let (host, port) = host_and_port(authority);
        let fits = !host.is_empty() && !authority.contains(['/', '@', '?', '#', ' ', '*']);
        if !matches!(scheme, "http" | "https") || !fits || port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(bad());
        }
        let port = port.filter(|port| *port != default_port(scheme)).map_or(String::new(), |port| format!(":{port}"));
        Ok(Origin(format!("{scheme}://{host}{port}")))
    }
}

/// The pages that may use the server.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Origins beside the server's own.
    pub allowed: Vec<Origin>,
    /// Whether pages of every origin may.
    pub any: bool,
    /// Whether only this machine's own names are answered to, and those of the origins above. A page that has its own
    /// name lead to this machine (DNS rebinding) would else count as the server's own, and where no token is asked for,
    /// it would be given everything.
    pub local_names_only: bool,
}

/// From which page a request comes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From<'a> {
    /// From no page, or from the server's own.
    Here,
    /// From a page that was allowed.
    Allowed(&'a HeaderValue),
    /// From any other.
    Elsewhere(&'a HeaderValue),
}

impl Origins {
    fn of<'a>(&self, headers: &'a HeaderMap) -> From<'a> {
        let Some(value) = headers.get(header::ORIGIN) else { return From::Here };
        if self.any {
            return From::Allowed(value);
        }
        match value.to_str().ok().and_then(|text| text.parse::<Origin>().ok()) {
            Some(origin) if is_own(&origin, headers) => From::Here,
            Some(origin) if self.allowed.contains(&origin) => From::Allowed(value),
            _ => From::Elsewhere(value),
        }
    }

    /// Whether a request may be served: pages of elsewhere may neither change anything nor open a WebSocket.
    pub(super) fn ask(&self, method: &Method, upgrades: bool, headers: &HeaderMap) -> Result<(), Denied> {
        let forbidden = |message| Err(Denied { code: Code::Forbidden, message });
        if self.local_names_only
            && let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok())
            && !self.answers_to(host)
        {
            return forbidden(format!(
                "this server lets everyone in who is on this machine, and so answers to its own names only, not to \
                 {host:?}; --allow-origin with an origin of that name lets it"
            ));
        }
        let changes = upgrades || !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match self.of(headers) {
            From::Elsewhere(origin) if changes => forbidden(format!(
                "pages of {origin:?} may not use this server; it takes its own, and those named by --allow-origin"
            )),
            _ => Ok(()),
        }
    }

    /// Lets a page of an allowed origin read an answer.
    pub(super) fn mark(&self, from: Option<HeaderValue>, answer: &mut warp::reply::Response) {
        let headers = answer.headers_mut();
        if self.any || !self.allowed.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = from {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
            // The methods of a path are what it answers to OPTIONS anyway.
            if let Some(methods) = headers.get(header::ALLOW).cloned() {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
                headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_SECONDS));
            }
        }
    }

    /// The origin to be marked on the answer, if the request comes from an allowed one.
    pub(super) fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match self.of(headers) {
            From::Allowed(origin) => Some(origin.clone()),
            From::Here | From::Elsewhere(_) => None,
        }
    }

    /// Whether a `Host` is one that no foreign page can have: a name without a dot, `localhost`, an address, or that of an
    /// allowed origin.
    fn answers_to(&self, host: &str) -> bool {
        let lower = host.to_ascii_lowercase();
        let (name, _) = host_and_port(&lower);
        let own = !name.contains('.') || name.ends_with(".localhost");
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let allowed = || {
            let authorities = self.allowed.iter().filter_map(|origin| origin.0.split_once("://"));
            authorities.map(|(_, authority)| host_and_port(authority).0).any(|allowed| allowed == name)
        };
        own || address || self.any || allowed()
    }
}

/// Whether an origin is that of the server as the request names it. The proxy in front may have taken TLS off, so schemes
/// are not compared; a port that is not written is the scheme's.
fn is_own(origin: &Origin, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let lower = host.to_ascii_lowercase();
    let Some((scheme, authority)) = origin.0.split_once("://") else { return false };
    let (name, port) = host_and_port(authority);
    let (own_name, own_port) = host_and_port(&lower);
    let standard = default_port(scheme);
    name == own_name && port.unwrap_or(standard) == own_port.unwrap_or(standard)
}

fn default_port(scheme: &str) -> &'static str {
    if scheme == "https" { "443" } else { "80" }
}

/// Splits `name:port`; an IPv6 address stands in brackets.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (host.ends_with(']') || !host.contains(':')) => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: &str, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers.insert(header::HOST, host.parse().unwrap());
        headers
    }

    #[test]
    fn an_origin_is_the_servers_own_if_host_and_port_agree() {
        let origins = Origins::default();
        for (origin, host) in [
            ("http://localhost:8080", "localhost:8080"),
            ("https://docs.example.com", "docs.example.com"),
            ("https://docs.example.com", "Docs.Example.com:443"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(origins.of(&headers(origin, host)), From::Here, "{origin} {host}");
        }
        for (origin, host) in [
            ("http://localhost:3000", "localhost:8080"),
            ("https://example.com", "docs.example.com"),
            ("https://docs.example.com.evil.example", "docs.example.com"),
            ("http://docs.example.com", "docs.example.com:443"),
            ("null", "localhost"),
            ("file://", "localhost"),
            ("https://a@docs.example.com", "docs.example.com"),
        ] {
            assert!(matches!(origins.of(&headers(origin, host)), From::Elsewhere(_)), "{origin} {host}");
        }
    }

    #[test]
    fn an_origin_is_told_from_what_is_none() {
        assert_eq!("HTTPS://App.example.com:443".parse(), Ok(Origin("https://app.example.com".into())));
        for bad in ["", "app.example.com", "https://", "https://a/", "ftp://a", "https://a:port", "https://*.a", "null"]
        {
            assert!(bad.parse::<Origin>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_server_of_this_machine_answers_to_its_own_names() {
        let allowed = vec!["https://docs.example.com".parse().unwrap()];
        let origins = Origins { allowed, local_names_only: true, ..Origins::default() };
        for own in [
            "localhost",
            "LOCALHOST:8080",
            "app.localhost:1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "box",
            "docs.example.com",
        ] {
            assert!(origins.answers_to(own), "{own}");
        }
        for foreign in ["evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(!origins.answers_to(foreign), "{foreign}");
        }
    }
}
