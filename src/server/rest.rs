//! The HTTP part: the same documents, read and edited by requests.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use warp::Reply;
use warp::http::{HeaderMap, Response, StatusCode, header};

use super::Server;
use super::deliveries::item;
use super::problem::Problem;
use super::routes::Query;
use crate::document::{
    Author, ClientKey, DocumentId, Edit, Kind, Origin, Refusal, SentOp, Seq, Snapshot, Time, User, Version, public_id,
};
use crate::hub::{Creation, Ended, Live, OpenError, Outcome, taken_as};
use crate::protocol::{
    Code, ContentBody, EditBody, EditGranted, RevisionsPage, SnapshotBody, TakenView, client_secret,
};
use crate::shutdown::Phase;
use crate::store::Condition;

/// The header in which a client names itself, so that its own edits are told apart.
const CLIENT: &str = "Variorum-Client";
/// The header in which it names the edit whose fate it does not know.
const PENDING: &str = "Variorum-Pending";
/// The header that makes a request without (client, seq) be taken once.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Revisions in one answer where the request does not say how many.
const REVISIONS_DEFAULT: u64 = 500;

/// The process is alive.
#[derive(Serialize)]
pub(super) struct Alive {
    status: &'static str,
}

impl Default for Alive {
    fn default() -> Self {
        Alive { status: "ok" }
    }
}

/// Whether requests should be sent here.
pub(super) fn ready(server: &Server, phase: Phase) -> Result<impl Reply + use<>, Problem> {
    if phase != Phase::Serving {
        return Err(Problem::new(Code::ShuttingDown, "the server is shutting down"));
    }
    match server.hub.store().condition() {
        Condition::Good => Ok(warp::reply::json(&Alive::default())),
        Condition::Failing(reason) => Err(Problem::new(Code::StorageUnavailable, reason)),
        Condition::ReadOnly(reason) => Err(Problem::new(Code::StorageUnavailable, reason)),
    }
}

/// `PUT /v1/docs/{id}`
pub(super) async fn create(server: &Server, id: DocumentId, body: &[u8]) -> Result<impl Reply + use<>, Problem> {
    let ContentBody(create) = ContentBody::parse(body)?;
    let kind: Kind = create
        .kind
        .parse()
        .map_err(|error: crate::document::UnsupportedKind| Problem::new(Code::UnsupportedKind, error.to_string()))?;
    let creation = Creation { kind, content: create.content.unwrap_or_default(), author: anonymous() };
    let opened = server.hub.open(&id, Some(&creation)).await;
    let (live, made) = opened.map_err(|error| Problem::of(&id, error))?;
    let there = live.identity().kind;
    if there != kind {
        let message = format!("document {id} is of kind {}, not {}", there.as_str(), kind.as_str());
        return Err(Problem::new(Code::WrongKind, message));
    }
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok(warp::reply::with_status(warp::reply::json(&snapshot_body(&live, &live.now(), None)), status))
}

/// `GET /v1/docs/{id}`
pub(super) async fn read(
    server: &Server,
    id: DocumentId,
    query: &Query,
    headers: &HeaderMap,
) -> Result<warp::reply::Response, Problem> {
    conditional(server, &id, query, headers, |live, snapshot| {
        let content = Some(snapshot.content.to_string());
        let body = serde_json::to_vec(&snapshot_body(live, snapshot, content)).expect("a snapshot is JSON");
        ("application/json", body)
    })
    .await
}

/// `GET /v1/docs/{id}/content`
pub(super) async fn content(
    server: &Server,
    id: DocumentId,
    query: &Query,
    headers: &HeaderMap,
) -> Result<warp::reply::Response, Problem> {
    conditional(server, &id, query, headers, |_, snapshot| {
        ("text/plain; charset=utf-8", snapshot.content.to_string().into_bytes())
    })
    .await
}

/// Answers with a version of a document, or 304 if that is what the client has: then no content is read.
async fn conditional(
    server: &Server,
    id: &DocumentId,
    query: &Query,
    headers: &HeaderMap,
    body: impl FnOnce(&Live, &Snapshot) -> (&'static str, Vec<u8>),
) -> Result<warp::reply::Response, Problem> {
    let live = open(server, id).await?;
    let broken = |error| Problem::of(id, OpenError::Store(error));
    let version = match (number(query, "version")?, number(query, "at")?) {
        (Some(_), Some(_)) => {
            return Err(Problem::new(Code::BadMessage, "`version` and `at` each name a version; give one of them"));
        }
        (Some(version), None) => not_ahead(&live, Version(version))?,
        (None, Some(at)) if at < live.identity().created.0 => {
            let created = live.identity().created.0;
            let message = format!("document {id} was created at {created}, after the time asked for, {at}");
            return Err(Problem::new(Code::NotFound, message));
        }
        (None, Some(at)) => live.version_at(Time(at)).await.map_err(broken)?,
        (None, None) => live.head(),
    };
    let chain = live.chain_at(version).await.map_err(broken)?;
    let tag = format!("\"{}/{version}/{chain}\"", live.identity().epoch);
    let response = Response::builder().header(header::ETAG, &tag).header(header::CACHE_CONTROL, "private, no-cache");
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).any(|value| {
        let value = value.trim();
        value == "*" || value.strip_prefix("W/").unwrap_or(value) == tag
    });
    let response = if known {
        response.status(StatusCode::NOT_MODIFIED).body(Default::default())
    } else {
        let snapshot = live.snapshot_at(version).await.map_err(broken)?;
        let (kind, body) = body(&live, &snapshot);
        response.header(header::CONTENT_TYPE, kind).body(body.into())
    };
    Ok(response.expect("every header is well-formed"))
}

/// `GET /v1/docs/{id}/revisions`
pub(super) async fn revisions(
    server: &Server,
    id: DocumentId,
    query: &Query,
    headers: &HeaderMap,
) -> Result<impl Reply + use<>, Problem> {
    let client = header(headers, CLIENT)?;
    let client = client.map(|text| client_secret(text).map(ClientKey::of_client)).transpose().map_err(bad)?;
    let pending = header(headers, PENDING)?.map(|text| parse(PENDING, text)).transpose()?.map(Seq);
    let composed: bool = query.get("composed").map(|text| parse("composed", text)).transpose()?.unwrap_or(false);
    let most = server.limits.revisions_per_page;
    let limit = number(query, "limit")?.unwrap_or(REVISIONS_DEFAULT);
    if limit == 0 || limit > most {
        return Err(bad(format!("`limit` is {limit}; expected a whole number from 1 to {most}")));
    }
    let live = open(server, &id).await?;
    let broken = |error| Problem::of(&id, OpenError::Store(error));
    let epoch = live.identity().epoch.to_string();
    check_epoch(query.get("epoch"), &epoch)?;
    let since = not_ahead(&live, Version(number(query, "since")?.unwrap_or(0)))?;
    check_chain(&live, &id, since, query.get("chain")).await?;

    let taken = match client {
        None => None,
        Some(client) => live.taken(client).await.map_err(broken)?,
    };
    let head = live.head();
    let to = Version(head.0.min(since.0 + limit));
    let singles_max = if composed { 0 } else { most };
    let missed = live.catch_up(since, to, taken_as(taken, pending), singles_max).await.map_err(broken)?;
    let items = missed.iter().map(item).collect();
    let chain = live.chain_at(to).await.map_err(broken)?;
    Ok(warp::reply::json(&RevisionsPage {
        epoch,
        from: since,
        chain,
        version: to,
        head,
        revisions: items,
        taken: taken.map(|taken| TakenView { seq: taken.seq, version: taken.version }),
        more: to < head,
    }))
}

/// `POST /v1/docs/{id}/edits`
pub(super) async fn edit(
    server: &Server,
    id: DocumentId,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<impl Reply + use<>, Problem> {
    let EditBody { version, op, epoch, chain, origin } = EditBody::parse(body)?;
    let author = match &origin {
        Some((client, _)) => {
            Arc::new(Author { session: None, user: User { id: public_id("user", client), name: Default::default() } })
        }
        None => anonymous(),
    };
    let origin = match (origin, header(headers, IDEMPOTENCY_KEY)?) {
        (Some(_), Some(_)) => {
            return Err(bad(format!("`client` and `seq`, or the header {IDEMPOTENCY_KEY}: one of them, not both")));
        }
        (Some((client, seq)), None) => Some(Origin { client: ClientKey::of_client(&client), seq }),
        (None, Some(key)) => Some(Origin { client: ClientKey::of_idempotency_key(&author.user.id, key), seq: Seq(1) }),
        (None, None) => None,
    };
    let op = op.map(SentOp::from).map_err(Refusal::BadOp);
    let edit = Edit { base: version, origin, author, may_write: true, op };
    loop {
        let live = open(server, &id).await?;
        let mine = live.identity().epoch.to_string();
        check_epoch(epoch.as_ref(), &mine)?;
        let repeated = match origin {
            None => false,
            Some(origin) => {
                let taken =
                    live.taken(origin.client).await.map_err(|error| Problem::of(&id, OpenError::Store(error)))?;
                taken.is_some_and(|taken| taken.seq == origin.seq)
            }
        };
        // A repeat is answered whatever it says of the chain; a version ahead is the authority's to refuse.
        if !repeated && version <= live.head() {
            check_chain(&live, &id, version, chain.as_ref()).await?;
        }
        return match live.submit(edit.clone()).await {
            Outcome::Granted(revision) | Outcome::Repeated(revision) => Ok(warp::reply::json(&EditGranted {
                epoch: mine,
                version: revision.version,
                chain: revision.chain,
                time: revision.time,
                op: revision.op.clone(),
            })),
            Outcome::Refused(refusal) => Err(Problem::new(Code::from(&refusal), refusal.to_string())),
            Outcome::Failed(error) => Err(Problem::of(&id, OpenError::Store(error))),
            // It left memory before it looked at the edit.
            Outcome::Ended(Ended::Retired) => continue,
            Outcome::Ended(ended) => Err(Problem::of(&id, OpenError::from(ended))),
        };
    }
}

async fn open(server: &Server, id: &DocumentId) -> Result<Arc<Live>, Problem> {
    let (live, _) = server.hub.open(id, None).await.map_err(|error| Problem::of(id, error))?;
    Ok(live)
}

fn snapshot_body(live: &Live, snapshot: &Snapshot, content: Option<String>) -> SnapshotBody {
    let identity = live.identity();
    SnapshotBody {
        id: identity.id.clone(),
        kind: identity.kind.as_str().to_owned(),
        epoch: identity.epoch.to_string(),
        version: snapshot.version,
        chain: snapshot.chain,
        content,
        time: snapshot.time,
    }
}

fn not_ahead(live: &Live, version: Version) -> Result<Version, Problem> {
    let head = live.head();
    if version <= head {
        return Ok(version);
    }
    let message = format!("version {version} does not exist, the document is at {head}");
    Err(Problem::new(Code::VersionAhead, message))
}

fn check_epoch(given: Option<&String>, epoch: &str) -> Result<(), Problem> {
    match given {
        Some(given) if given != epoch => {
            let message = format!("the document is of epoch {epoch}, not {given}");
            Err(Problem::new(Code::EpochChanged, message))
        }
        _ => Ok(()),
    }
}

async fn check_chain(live: &Live, id: &DocumentId, version: Version, given: Option<&String>) -> Result<(), Problem> {
    let Some(given) = given else { return Ok(()) };
    let chain = live.chain_at(version).await.map_err(|error| Problem::of(id, OpenError::Store(error)))?;
    if *given == chain.to_string() {
        return Ok(());
    }
    let message = format!("the chain of version {version} is {chain}, not {given}: the histories differ");
    Err(Problem::new(Code::ChainDiffers, message))
}

/// Whoever writes over HTTP without saying who they are.
fn anonymous() -> Arc<Author> {
    Arc::new(Author { session: None, user: User { id: "anonymous".into(), name: Default::default() } })
}

fn number(query: &Query, name: &'static str) -> Result<Option<u64>, Problem> {
    query.get(name).map(|text| parse(name, text)).transpose()
}

fn parse<T: FromStr>(name: &str, text: &str) -> Result<T, Problem>
where
    T::Err: Display,
{
    text.parse().map_err(|error| bad(format!("`{name}` is {text:?}: {error}")))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| bad(format!("the header {name} is not text")))
}

fn bad(message: impl Into<String>) -> Problem {
    Problem::new(Code::BadMessage, message)
}
