//! Where a text has stood in a document's history, and what became of it.

use super::Request;
use super::endpoint::Answer;
use super::immutable::Immutable;
use super::parameters::{bad, limit, number, parse};
use super::place::{not_ahead, open};
use crate::document::{Appearance, Credit, DocumentId, Mark, Version};
use crate::hub::{OpenError, SearchError};
use crate::limits::named;
use crate::protocol::{Code, FoundView, GoneView, SearchBody, UserView};
use crate::server::problem::Problem;

/// Places in one answer where the request does not say how many.
const FOUND_DEFAULT: u64 = 50;

/// `GET /v1/docs/{id}/search`
pub(super) async fn in_history(id: DocumentId, request: Request) -> Answer {
    let Request { server, query, headers, .. } = request;
    let limit = limit(&query, FOUND_DEFAULT, server.limits.search_found)? as usize;
    let most = server.limits.search_length;
    let text = query.get("text").map_or("", String::as_str);
    let length = text.chars().count();
    if length > most {
        server.metrics.limit_hit(named::search_length);
    }
    if length == 0 || length > most {
        return Err(bad(format!("`text` has {length} characters; expected from 1 to {most}")));
    }
    let only_gone = query.get("gone").map(|text| parse("gone", text)).transpose()?.unwrap_or(false);
    let live = open(&server, &id).await?;
    let broken = |error| Problem::of(&id, OpenError::Store(error));
    let until = not_ahead(live.head(), number(&query, "until")?.map_or(live.head(), Version))?;
    let since = number(&query, "since")?.map_or(live.kept().horizon(), Version);
    live.kept().check_whole(live.incarnation(), since).map_err(broken)?;
    if since > until {
        return Err(bad(format!("`since` is {since}, after `until`, which is {until}")));
    }
    let (span, most) = (until.since(since), server.limits.search_revisions);
    if span > most {
        server.metrics.limit_hit(named::search_revisions);
        let message = format!("the search would go over {span} revisions, more than the {most} allowed at once");
        return Err(Problem::new(Code::TooLarge, message));
    }
    let tag = Immutable::between(&live, since, until, live.chain_at(until).await.map_err(broken)?);
    if tag.is_known(&headers) {
        return tag.unchanged();
    }
    let wait = server.limits.search_wait;
    let mut found = live.search(text, (since, until), wait).await.map_err(|error| match error {
        SearchError::Store(error) => broken(error),
        SearchError::Busy => {
            server.metrics.limit_hit(named::search_wait);
            (Code::RateLimited, error.to_string(), Some(wait.as_millis() as u64)).into()
        }
        SearchError::TooMany { .. } => Problem::new(Code::TooLarge, error.to_string()),
    })?;
    found.retain(|place| !only_gone || place.gone.is_some());
    let more = found.len() > limit;
    found.truncate(limit);
    // The names of those who began and ended each place, in turn.
    let revisions = found.iter().flat_map(|place| [place.began, place.gone.map(|(version, _)| version)]);
    let marks: Vec<Mark> = revisions.flatten().map(|version| Mark::of_one(1, version)).collect();
    let (users, credits) = live.credits(marks.into_iter()).await.map_err(broken)?;
    let body = SearchBody {
        epoch: live.identity().epoch.to_string(),
        since,
        until,
        users: users.iter().map(UserView::of).collect(),
        found: views(&found, credits.into_iter()),
        more,
    };
    tag.answer("application/json", serde_json::to_vec(&body).expect("the protocol's bodies are JSON"))
}

/// The places with the credits of their revisions.
fn views(found: &[Appearance], mut credits: impl Iterator<Item = Credit>) -> Vec<FoundView> {
    let mut next = || credits.next().expect("every revision has its credit");
    let view = |place: &Appearance| {
        let began = place.began.map(|_| next());
        let gone = place.gone.map(|(version, position)| {
            let credit = next();
            GoneView { position, version, user: credit.user, time: credit.time }
        });
        FoundView {
            position: place.position,
            version: place.began,
            user: began.map(|credit| credit.user),
            time: began.map(|credit| credit.time),
            gone,
        }
    };
    found.iter().map(view).collect()
}
