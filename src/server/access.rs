//! Who may do what: every message and every route asks here, and nowhere else is it decided.

use std::sync::Arc;

use warp::http::{HeaderMap, header};

use super::Server;
use super::problem::Problem;
use crate::document::{DocumentId, Time, User};
use crate::protocol::{ClientMessage, Code, Route};

/// What a token gives to the documents under a prefix. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read a document, its history and who is there; say where one is.
    Read,
    /// Make it and change it.
    Write,
    /// List, delete and prune.
    Admin,
}

/// Access to every document whose id begins with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The beginning of the ids; the empty one is every document.
    pub prefix: String,
    /// How much.
    pub access: Access,
}

/// What a message or a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: not even a token.
    Nothing,
    /// A good token, whatever it gives.
    Token,
    /// To have the document open on this connection, which took reading it.
    Open,
    /// To read the document.
    Read,
    /// To read it at the door. Whether its writer may write is asked once a repeat has been answered.
    Propose,
    /// To change it.
    Write,
    /// To be its admin.
    Admin,
}

/// What is asked for, and of which documents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks<'a> {
    pub(super) needs: Needs,
    pub(super) about: About<'a>,
}

/// Which documents something is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// One.
    Document(&'a DocumentId),
    /// All whose ids begin so.
    Prefix(&'a str),
}

impl About<'static> {
    /// All there are: also where none is named, so that what is forgotten is not given.
    pub(super) const EVERY: Self = About::Prefix("");
}

impl<'a> Asks<'a> {
    /// What a message asks for. Each has its row here.
    pub(super) fn message(message: &'a ClientMessage) -> Self {
        let needs = match message {
            ClientMessage::Hello(_) | ClientMessage::Ping => Needs::Token,
            ClientMessage::Open(_) => Needs::Read,
            // Whether it may write was asked when it was opened, and is looked at once a repeat has been answered.
            ClientMessage::Edit(_) => Needs::Open,
            ClientMessage::Presence(_) | ClientMessage::Check(_) | ClientMessage::Close { .. } => Needs::Open,
        };
        Asks { needs, about: message.document().map_or(About::EVERY, About::Document) }
    }
}

/// What a route takes. Each has its row here.
pub(super) fn needs(route: Route) -> Needs {
    match route {
        // The token comes with `hello`.
        Route::Connect => Needs::Nothing,
        // They name no document and no user; the proxy in front passes on what strangers may see.
        Route::Health | Route::Ready | Route::Metrics => Needs::Nothing,
        Route::Read | Route::Content | Route::Revisions | Route::Labels | Route::Label => Needs::Read,
        // The branch's own id, and the branch to merge, are asked for by the handler.
        Route::Branch | Route::Branches => Needs::Read,
        Route::History | Route::Diff | Route::Blame | Route::Search => Needs::Read,
        Route::Edit | Route::Replace => Needs::Propose,
        Route::Create | Route::PutLabel | Route::DeleteLabel | Route::Restore | Route::Merge => Needs::Write,
        Route::List | Route::Delete | Route::Prune => Needs::Admin,
    }
}

/// Someone who came through the door: who they are, what they may do, and until when.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Who, if a token says so.
    pub(super) user: Option<User>,
    grants: Grants,
    /// From when on nothing is given any more.
    expires: Option<Time>,
}

#[derive(Debug, Clone)]
enum Grants {
    /// Everything to everyone: the server asks for no tokens.
    Everything,
    /// What a token says.
    Only(Arc<[Grant]>),
}

/// Why something is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Denied {
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Denied { code: Code::Unauthorized, message: message.into() }
    }
}

impl Caller {
    /// Anyone, on a server that asks for no tokens.
    pub(super) fn anyone() -> Self {
        Caller { user: None, grants: Grants::Everything, expires: None }
    }

    /// Nobody, who may do nothing.
    pub(super) fn nobody() -> Self {
        Caller { user: None, grants: Grants::Only([].into()), expires: None }
    }

    /// Whom a token names, and what it gives.
    pub(super) fn by_token(user: User, grants: Vec<Grant>, expires: Time) -> Self {
        Caller { user: Some(user), grants: Grants::Only(grants.into()), expires: Some(expires) }
    }

    /// For how many milliseconds more anything is given; none if there is no end to it.
    pub(super) fn remaining_ms(&self, now: Time) -> Option<u64> {
        self.expires.map(|expires| expires.0.saturating_sub(now.0))
    }

    /// Whether what is asked for is given now. This is the one place where it is decided.
    pub(super) fn ask(&self, asks: Asks, now: Time) -> Result<(), Denied> {
        if self.remaining_ms(now) == Some(0) {
            return Err(Denied::unauthorized("the token has expired"));
        }
        let least = match asks.needs {
            Needs::Nothing | Needs::Token | Needs::Open => return Ok(()),
            Needs::Read | Needs::Propose => Access::Read,
            Needs::Write => Access::Write,
            Needs::Admin => Access::Admin,
        };
        let (given, which) = match asks.about {
            About::Document(id) => (self.to_document(id), format!("document {id}")),
            About::Prefix(prefix) => (self.to_all_under(prefix), format!("every document that begins with {prefix:?}")),
        };
        let denied = |code, message| Err(Denied { code, message });
        match given {
            Some(given) if given >= least => Ok(()),
            Some(_) if least == Access::Write => {
                denied(Code::ReadOnly, format!("this access to {which} is to read only"))
            }
            None if least < Access::Admin => denied(Code::Forbidden, format!("there is no access to {which}")),
            _ => denied(Code::Forbidden, format!("this takes admin access to {which}")),
        }
    }

    /// Whether the document may be changed: asked of an edit, once a repeat has been answered.
    pub(super) fn may_write(&self, id: &DocumentId) -> bool {
        self.to_document(id) >= Some(Access::Write)
    }

    /// The longest prefix that fits decides, so that a narrower grant can also give less. Of two for one prefix, the
    /// higher counts.
    fn to_document(&self, id: &DocumentId) -> Option<Access> {
        self.longest(id.as_str())
    }

    /// What is given to all documents under a prefix alike: no more than to the least of them.
    fn to_all_under(&self, prefix: &str) -> Option<Access> {
        let Grants::Only(grants) = &self.grants else { return Some(Access::Admin) };
        let narrower = grants.iter().filter(|grant| grant.prefix.starts_with(prefix));
        // Each narrower prefix is looked up, since a higher grant may stand beside a lower one.
        let least = narrower.map(|grant| self.longest(&grant.prefix)).min();
        let here = self.longest(prefix);
        least.map_or(here, |least| least.min(here))
    }

    fn longest(&self, id: &str) -> Option<Access> {
        let Grants::Only(grants) = &self.grants else { return Some(Access::Admin) };
        let fitting = grants.iter().filter(|grant| id.starts_with(&grant.prefix));
        fitting.max_by_key(|grant| (grant.prefix.len(), grant.access)).map(|grant| grant.access)
    }
}

/// Who sends a request, by its token.
pub(super) fn admit(server: &Server, headers: &HeaderMap) -> Result<Caller, Denied> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let token = match (given.next(), given.next()) {
        (None, _) => None,
        (Some(value), None) => {
            let words = value.to_str().ok().and_then(|text| text.split_once(' '));
            let bearer = words.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let other = || Denied::unauthorized("the header Authorization is not `Bearer` and a token");
            Some(bearer.ok_or_else(other)?.1.trim())
        }
        (Some(_), Some(_)) => return Err(Denied::unauthorized("there are two headers Authorization")),
    };
    server.entry.admit(token, server.hub.world().now(), &server.limits)
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Problem::new(denied.code, denied.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> Caller {
        let grant = |prefix: &str, access| Grant { prefix: prefix.into(), access };
        let grants = vec![grant("notes.", Access::Admin), grant("notes.hr.", Access::Read), grant("x", Access::Write)];
        Caller::by_token(User { id: "ana".into(), name: "Ana".into() }, grants, Time(1_000))
    }

    #[test]
    fn under_a_prefix_no_more_is_given_than_to_the_least_of_its_documents() {
        let given = |prefix, needs| ana().ask(Asks { needs, about: About::Prefix(prefix) }, Time(0)).is_ok();
        for (prefix, admin, read) in [
            ("notes.", false, true),
            ("notes.h", false, true),
            ("notes.hr.", false, true),
            ("notes.team.", true, true),
            ("note", false, false),
            ("", false, false),
        ] {
            let found = (given(prefix, Needs::Admin), given(prefix, Needs::Read));
            assert_eq!(found, (admin, read), "{prefix:?}");
        }
    }

    #[test]
    fn nothing_is_given_from_the_moment_on_in_which_a_token_ends() {
        let (ana, id) = (ana(), "notes.a".parse().expect("it is an id"));
        let asked = |now| ana.ask(Asks { needs: Needs::Read, about: About::Document(&id) }, Time(now));
        assert_eq!(asked(999), Ok(()));
        assert_eq!(asked(1_000).map_err(|denied| denied.code), Err(Code::Unauthorized));
    }
}
