//! What differs between two versions, and who made it differ.

use super::Request;
use super::endpoint::Answer;
use super::immutable::{Immutable, json};
use super::parameters::{bad, number, parse};
use super::place::{not_ahead, open};
use crate::document::{DocumentId, Snapshot, Trail, Version};
use crate::hub::{Live, OpenError, beside};
use crate::limits::named;
use crate::ot::{Op, TextOp};
use crate::protocol::{Code, DiffBody, DiffRun, Paint, UserView, diff_text};
use crate::server::problem::Problem;

/// `GET /v1/docs/{id}/diff`
pub(super) async fn between(id: DocumentId, request: Request) -> Answer {
    let Request { server, query, headers, .. } = request;
    let as_text = match query.get("format").map(String::as_str) {
        None | Some("json") => false,
        Some("text") => true,
        Some(other) => return Err(bad(format!("`format` is {other:?}; expected json or text"))),
    };
    let kept = query.get("kept").map(|text| parse("kept", text)).transpose()?.unwrap_or(false);
    let live = open(&server, &id).await?;
    let broken = |error| Problem::of(&id, OpenError::Store(error));
    let to = not_ahead(live.head(), number(&query, "to")?.map_or(live.head(), Version))?;
    let before = Version(to.0.saturating_sub(1));
    let from = not_ahead(live.head(), number(&query, "from")?.map_or(before, Version))?;
    let tag = Immutable::between(&live, from, to, live.chain_at(from.max(to)).await.map_err(broken)?);
    if tag.is_known(&headers) {
        return tag.unchanged();
    }
    let base = live.snapshot_at(from.min(to)).await.map_err(broken)?;
    let trail = live.trail(from.min(to), from.max(to)).await.map_err(broken)?;
    let trail = trail.unwrap_or_else(|| unmoved(&base));
    let runs = trail.marks.iter().len();
    if runs > server.limits.runs_per_page {
        server.metrics.limit_hit(named::runs_per_page);
        let most = server.limits.runs_per_page;
        let message = format!("the diff from version {from} to {to} has {runs} runs, more than the {most} allowed");
        return Err(Problem::new(Code::TooLarge, message));
    }
    let body = compare(&live, from, to, base, trail, kept || as_text).await.map_err(broken)?;
    if as_text {
        let heading = format!("--- {id} at version {from}\n+++ {id} at version {to}\n");
        let text = beside(move || heading + &diff_text(&body.runs, &Paint::PLAIN)).await;
        return tag.answer("text/plain; charset=utf-8", text.into_bytes());
    }
    let body = beside(move || json(body.runs.len(), &body)).await;
    tag.answer("application/json", body)
}

/// The trail of nothing.
fn unmoved(at: &Snapshot) -> Trail {
    let op = TextOp::identity(at.content.len());
    Trail { from: at.version, to: at.version, op, marks: Default::default() }
}

/// The diff that leads over a trail from `base`, or back over it.
async fn compare(
    live: &Live,
    from: Version,
    to: Version,
    base: Snapshot,
    trail: Trail,
    with_kept: bool,
) -> Result<DiffBody, crate::store::StoreError> {
    let (users, credits) = live.credits(trail.cut_marks().into_iter()).await?;
    let epoch = live.identity().epoch.to_string();
    Ok(beside(move || {
        let mut runs = trail.runs(&base.content, &credits, with_kept);
        let mut op = trail.op;
        if from > to {
            op = op.invert(&base.content).expect("a trail fits the content where it begins");
            runs.iter_mut().for_each(|run| run.change = run.change.inverse());
        }
        let runs: Vec<DiffRun> = runs.into_iter().map(DiffRun::from).collect();
        let (mut added, mut removed) = (0, 0);
        for run in &runs {
            match run {
                DiffRun::Kept { .. } => {}
                DiffRun::Added(run) => added += run.length,
                DiffRun::Removed(run) => removed += run.length,
            }
        }
        let users = users.iter().map(UserView::of).collect();
        DiffBody { epoch, from, to, op, added, removed, users, runs }
    })
    .await)
}
