//! An endpoint: what is asked for, and who answers; and the way of a request to it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tracing::{Instrument, debug_span};
use warp::http::{HeaderMap, Method, Response, StatusCode, header};

use super::body::{Incoming, read_body};
use super::{ENDPOINTS, parameters};
use crate::document::DocumentId;
use crate::protocol::{Code, Route};
use crate::server::Server;
use crate::server::access::{self, About, Asks, Caller, Needs, needs};
use crate::server::crowd::Over;
use crate::server::problem::Problem;
use crate::shutdown::Phase;
use crate::store::Pending;

/// What a handler answers.
pub(super) type Answer = Result<warp::reply::Response, Problem>;

/// Parameters of a query, by name.
pub(in crate::server) type Query = HashMap<String, String>;

/// A method of a path.
pub(in crate::server) struct Endpoint {
    pub(in crate::server) route: Route,
    handler: Handler,
    /// Whether it still answers while the server goes away.
    even_while_draining: bool,
}

/// Who answers.
enum Handler {
    /// Something about the server.
    Server(fn(Request) -> Pending<'static, Answer>),
    /// Something about the document that `{id}` in the path names.
    Document(fn(DocumentId, Request) -> Pending<'static, Answer>),
}

/// A request on its way to its handler.
pub(in crate::server) struct Request {
    pub(in crate::server) server: Arc<Server>,
    pub(in crate::server) phase: Phase,
    /// What the path has in its places, by name, still encoded.
    pub(in crate::server) parts: HashMap<&'static str, String>,
    pub(in crate::server) query: Query,
    pub(in crate::server) headers: HeaderMap,
    /// Empty unless the method carries one.
    pub(in crate::server) body: bytes::Bytes,
    /// From where.
    pub(in crate::server) address: IpAddr,
    /// Its connection is one too many, and is only told so.
    pub(in crate::server) over: Option<Over>,
    /// Who asks: nobody, until their token was looked at.
    pub(in crate::server) caller: Caller,
}

impl Request {
    /// Whether its caller is given this. What its path names was asked for before its handler is called; of what else it
    /// names, the handler asks.
    pub(super) fn ask(&self, needs: Needs, about: About) -> Result<(), Problem> {
        Ok(self.caller.ask(Asks { needs, about }, self.server.hub.world().now())?)
    }
}

impl Endpoint {
    pub(super) const fn document(route: Route, handler: fn(DocumentId, Request) -> Pending<'static, Answer>) -> Self {
        Endpoint { route, handler: Handler::Document(handler), even_while_draining: false }
    }

    pub(super) const fn server(route: Route, handler: fn(Request) -> Pending<'static, Answer>) -> Self {
        Endpoint { route, handler: Handler::Server(handler), even_while_draining: false }
    }

    /// One that answers even while the server goes away.
    pub(super) const fn always(route: Route, handler: fn(Request) -> Pending<'static, Answer>) -> Self {
        Endpoint { route, handler: Handler::Server(handler), even_while_draining: true }
    }

    /// What a path has in the places of this one's braces, by name, still encoded; none if it is another path.
    fn matched<'p>(&self, path: &'p str) -> Option<HashMap<&'static str, &'p str>> {
        let mut parts = HashMap::new();
        let (mut due, mut found) = (self.route.path().split('/'), path.split('/'));
        loop {
            match (due.next(), found.next()) {
                (None, None) => return Some(parts),
                (Some(due), Some(found)) => match due.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) if !found.is_empty() => _ = parts.insert(name, found),
                    None if due == found => {}
                    _ => return None,
                },
                _ => return None,
            }
        }
    }
}

/// The endpoints of a path, one for each of its methods; none if nothing is there.
pub(in crate::server) fn find(path: &str) -> Option<Vec<&'static Endpoint>> {
    let found: Vec<_> = ENDPOINTS.iter().filter(|endpoint| endpoint.matched(path).is_some()).collect();
    (!found.is_empty()).then_some(found)
}

/// Answers a request to a path that has these endpoints.
pub(in crate::server) async fn answer(
    endpoints: Vec<&'static Endpoint>,
    method: Method,
    path: String,
    mut request: Request,
    body: impl Incoming,
) -> Answer {
    if let Some(over) = request.over {
        return Err(Problem::new(Code::TooManyConnections, over.to_string()));
    }
    request.server.may_ask(request.address)?;
    request.server.origins.ask(&method, false, &request.headers)?;
    // What a HEAD is answered with is what a GET would be, and hyper leaves the body out.
    let wanted = if method == Method::HEAD { Method::GET } else { method };
    let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.route.method() == wanted.as_str()) else {
        return no_such_method(endpoints.iter().map(|endpoint| endpoint.route.method()).collect(), &wanted);
    };
    if request.phase != Phase::Serving && !endpoint.even_while_draining {
        return Err(Problem::new(Code::ShuttingDown, "the server is shutting down"));
    }
    let parts = endpoint.matched(&path).expect("the endpoint was found by its path");
    let needs = needs(endpoint.route);
    if needs != Needs::Nothing {
        request.caller = access::admit(&request.server, &request.headers)?;
    }
    let id = parts.get("id").map(|id| parameters::document_id(id)).transpose()?;
    let about = match &id {
        Some(id) => About::Document(id),
        None => request.query.get("prefix").map_or(About::EVERY, |prefix| About::Prefix(prefix)),
    };
    request.ask(needs, about)?;
    request.parts = parts.into_iter().map(|(name, part)| (name, part.to_owned())).collect();
    if matches!(wanted, Method::PUT | Method::POST) {
        request.body = read_body(body, &request.server).await?;
    }
    let answering = match endpoint.handler {
        Handler::Server(handler) => handler(request),
        Handler::Document(handler) => handler(id.expect("the path of a document names it"), request),
    };
    answering.instrument(debug_span!("request", method = %wanted, path = endpoint.route.path())).await
}

/// What a path answers to a method that it does not have, and to the question which it has.
fn no_such_method(mut allowed: Vec<&str>, asked: &Method) -> Answer {
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    not_among(allowed, asked)
}

/// The same, of a path that has these methods and no HEAD beside them.
pub(in crate::server) fn not_among(mut allowed: Vec<&str>, asked: &Method) -> Answer {
    allowed.push("OPTIONS");
    let allowed = allowed.join(", ");
    if asked == Method::OPTIONS {
        let answer = Response::builder().status(StatusCode::NO_CONTENT).header(header::ALLOW, &allowed);
        return Ok(answer.body(Default::default()).expect("methods are a header value"));
    }
    let message = format!("this path does not have the method {asked}; it has {allowed}");
    Err(Problem::new(Code::MethodNotAllowed, message).allowing(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Option<&'static str> {
        find(path).map(|endpoints| endpoints[0].route.path())
    }

    #[test]
    fn a_path_is_found_whole() {
        assert_eq!(path("/v1/docs/a%2Eb"), Some("/v1/docs/{id}"));
        assert_eq!(path("/v1/docs/a/edits"), Some("/v1/docs/{id}/edits"));
        for nothing in ["", "/", "/v1", "/v1/docs/", "/v1/docs/a/", "/v1/docs/a/editsx", "/v1/docs//edits", "v1/docs/a"]
        {
            assert_eq!(path(nothing), None, "{nothing:?}");
        }
    }
}
