//! The catch-up endpoint: history from a version on, in pages.

use std::sync::Arc;

use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use super::parameters::{header, limit, number, parse};
use super::place::{check_chain, check_epoch, not_ahead, open};
use crate::document::{ClientKey, DocumentId, Revision, Seq, Version};
use crate::hub::{CatchUp, OpenError, taken_as};
use crate::protocol::{Code, RevisionsPage, TakenView, client_secret};
use crate::server::deliveries::item;
use crate::server::problem::Problem;

/// The header in which a client names itself, so that its own edits are told apart.
const CLIENT: &str = "Variorum-Client";
/// The header in which it names the edit whose fate it does not know.
const PENDING: &str = "Variorum-Pending";
/// Revisions in one answer where the request does not say how many.
const REVISIONS_DEFAULT: u64 = 500;

/// `GET /v1/docs/{id}/revisions`
pub(super) async fn page(id: DocumentId, request: Request) -> Answer {
    let Request { server, query, headers, .. } = request;
    let client = header(&headers, CLIENT)?
        .map(|text| client_secret(text).map(ClientKey::of_client))
        .transpose()
        .map_err(|message| Problem::new(Code::BadMessage, message))?;
    let pending = header(&headers, PENDING)?.map(|text| parse(PENDING, text)).transpose()?.map(Seq);
    let composed: bool = query.get("composed").map(|text| parse("composed", text)).transpose()?.unwrap_or(false);
    let most = server.limits.revisions_per_page;
    let limit = limit(&query, REVISIONS_DEFAULT, most)?;
    let live = open(&server, &id).await?;
    let broken = |error| Problem::of(&id, OpenError::Store(error));
    let epoch = live.identity().epoch.to_string();
    check_epoch(query.get("epoch"), &epoch)?;
    let since = not_ahead(live.head(), Version(number(&query, "since")?.unwrap_or(0)))?;
    live.kept().check_whole(live.incarnation(), since).map_err(broken)?;
    check_chain(&live, &id, since, query.get("chain")).await?;

    let taken = match client {
        None => None,
        Some(client) => live.taken(client).await.map_err(broken)?,
    };
    let head = live.head();
    let mut to = Version(head.0.min(since.0 + limit));
    let pending = taken_as(taken, pending);
    let missed = if composed {
        live.catch_up(since, to, pending, 0).await.map_err(broken)?
    } else {
        let singles = live.some_revisions(since, to, server.limits.revisions_bytes_per_page).await.map_err(broken)?;
        // A page of large revisions ends early.
        to = singles.last().map_or(to, |last| last.version);
        let known = |revision: Arc<Revision>| match Some(revision.version) == pending {
            true => CatchUp::Pending(revision),
            false => CatchUp::One(revision),
        };
        singles.into_iter().map(known).collect()
    };
    let items = missed.iter().map(item).collect();
    let chain = live.chain_at(to).await.map_err(broken)?;
    let page = RevisionsPage {
        epoch,
        from: since,
        chain,
        version: to,
        head,
        revisions: items,
        taken: taken.map(|taken| TakenView { seq: taken.seq, version: taken.version }),
        more: to < head,
    };
    json(StatusCode::OK, &page)
}
