//! History for people: who wrote when, and how much.

use super::Request;
use super::endpoint::Answer;
use super::immutable::Immutable;
use super::parameters::{limit, number};
use super::place::{not_ahead, open};
use crate::document::{DocumentId, Sittings, Version};
use crate::hub::OpenError;
use crate::protocol::{HistoryPage, StretchView};
use crate::server::problem::Problem;

/// Stretches in one answer where the request does not say how many.
const STRETCHES_DEFAULT: u64 = 50;
/// How long a pause ends a stretch where the request does not say: long enough to think, too short for lunch.
const PAUSE_DEFAULT_MS: u64 = 300_000;

/// `GET /v1/docs/{id}/history`
pub(super) async fn page(id: DocumentId, request: Request) -> Answer {
    let Request { server, query, headers, .. } = request;
    let limit = limit(&query, STRETCHES_DEFAULT, server.limits.stretches_per_page)?;
    let pause_ms = number(&query, "pause_ms")?.unwrap_or(PAUSE_DEFAULT_MS);
    let live = open(&server, &id).await?;
    let broken = |error| Problem::of(&id, OpenError::Store(error));
    let head = live.head();
    let before = not_ahead(head, number(&query, "before")?.map_or(head, Version))?;
    let tag = Immutable::at(&live, head, live.chain_at(head).await.map_err(broken)?);
    if tag.is_known(&headers) {
        return tag.unchanged();
    }
    let sittings = Sittings::new(pause_ms, limit as usize, query.get("author").cloned());
    let (sittings, before) = live.sittings(before, sittings).await.map_err(broken)?;
    let page = HistoryPage {
        epoch: live.identity().epoch.to_string(),
        head,
        pause_ms,
        stretches: sittings.into_iter().map(StretchView::from).collect(),
        before,
        more: before > Version::ZERO,
    };
    tag.answer("application/json", serde_json::to_vec(&page).expect("the protocol's bodies are JSON"))
}
