//! Who wrote each character of a version.

use super::Request;
use super::endpoint::Answer;
use super::immutable::{Immutable, json};
use super::parameters::{bad, limit, number, parse};
use super::place::{not_ahead, open};
use crate::document::{DocumentId, Mark, Trail, Version};
use crate::hub::{OpenError, beside};
use crate::ot::{Part, split_at};
use crate::protocol::{Attributed, BlameBody, UserView};
use crate::server::problem::Problem;

/// Runs in one answer where the request does not say how many.
const RUNS_DEFAULT: u64 = 20_000;

/// `GET /v1/docs/{id}/blame`
pub(super) async fn of_version(id: DocumentId, request: Request) -> Answer {
    let Request { server, query, headers, .. } = request;
    let limit = limit(&query, RUNS_DEFAULT, server.limits.runs_per_page as u64)? as usize;
    let start = number(&query, "start")?.unwrap_or(0);
    let with_text = query.get("text").map(|text| parse("text", text)).transpose()?.unwrap_or(true);
    let live = open(&server, &id).await?;
    let broken = |error| Problem::of(&id, OpenError::Store(error));
    let version = not_ahead(live.head(), number(&query, "version")?.map_or(live.head(), Version))?;
    let tag = Immutable::at(&live, version, live.chain_at(version).await.map_err(broken)?);
    if tag.is_known(&headers) {
        return tag.unchanged();
    }
    // From the empty beginning on, a trail inserts exactly what is there.
    let trail = live.trail(Version::ZERO, version).await.map_err(broken)?;
    let length = trail.as_ref().map_or(0, |trail| trail.marks.characters());
    if start > length {
        return Err(bad(format!("`start` is {start}, the document has {length} characters at version {version}")));
    }
    let wanted = trail.as_ref().map_or_else(Vec::new, |trail| marks_from(trail, start, limit));
    let (users, mut credits) = live.credits(wanted.into_iter()).await.map_err(broken)?;
    credits.truncate(limit);
    let epoch = live.identity().epoch.to_string();
    let body = beside(move || {
        let mut text = trail.as_ref().filter(|_| with_text).map(|trail| text_from(trail, start));
        let mut at = start;
        let mut run = |credit| {
            let run = Attributed::new(credit, None);
            at += run.length;
            let text = text.as_mut().map(|text| take(text, run.length).to_owned());
            Attributed { text, ..run }
        };
        let runs: Vec<_> = credits.iter().map(&mut run).collect();
        let users = users.iter().map(UserView::of).collect();
        let body = BlameBody { epoch, version, length, start, users, runs, more: at < length };
        json(body.runs.len(), &body)
    });
    tag.answer("application/json", body.await)
}

/// At most so many marks from a position on.
fn marks_from(trail: &Trail, start: u64, limit: usize) -> Vec<Mark> {
    let mut skip = start;
    let rest = trail.marks.iter().filter_map(|mark| {
        let skipped = skip.min(mark.len);
        skip -= skipped;
        match skipped {
            0 => Some(mark),
            _ if skipped == mark.len => None,
            _ => Some(mark.tail(skipped)),
        }
    });
    rest.take(limit).collect()
}

/// The text that a trail from the beginning leaves, from a position on.
fn text_from(trail: &Trail, start: u64) -> &str {
    let Some(Part::Insert(mut text)) = trail.op.parts().next() else { return "" };
    take(&mut text, start);
    text
}

/// Takes so many scalar values off the front.
fn take<'t>(text: &mut &'t str, len: u64) -> &'t str {
    let (head, tail) = split_at(text, len);
    *text = tail;
    head
}
