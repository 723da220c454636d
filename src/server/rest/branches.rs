//! Branches and merges over HTTP.

use std::ops::Range;
use std::sync::Arc;

use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use super::parameters::limit;
use super::place::{not_ahead, open};
use crate::document::{DocumentId, Version};
use crate::hub::{Branched, Ended, Live, Merged, NotMerged, OpenError};
use crate::ot::{Content, Op, TextOp};
use crate::protocol::{
    BranchBody, BranchPart, BranchView, BranchesView, Code, ConflictView, MergeBody, MergedView, Passage,
};
use crate::server::access::{About, Needs};
use crate::server::problem::Problem;
use crate::store::{Found, StoreError};

/// Branches in one answer where the request does not say how many.
const DEFAULT: u64 = 100;

/// `POST /v1/docs/{id}/branches`
pub(super) async fn create(id: DocumentId, request: Request) -> Answer {
    let BranchBody { id: branch, version } = BranchBody::parse(&request.body)?;
    request.ask(Needs::Write, About::Document(&branch))?;
    let parent = open(&request.server, &id).await?;
    let version = not_ahead(parent.head(), version.unwrap_or(parent.head()))?;
    let store = request.server.hub.store();
    if store.find(&branch).await.map_err(|error| Problem::of(&branch, error))?.is_none() {
        request.server.may_make(request.address)?;
    }
    let made = request.server.hub.branch(&parent, &branch, version).await;
    let (status, found) = match made.map_err(|error| Problem::of(&id, error))? {
        Branched::New(found) => (StatusCode::CREATED, found),
        Branched::Existing(found) => (StatusCode::OK, found),
        Branched::Taken => {
            let message = format!("there is a document {branch}, which does not begin at version {version} of {id}");
            return Err(Problem::new(Code::DocumentExists, message));
        }
    };
    json(status, &view(&request, &id, found).await?)
}

/// `GET /v1/docs/{id}/branches`
pub(super) async fn list(id: DocumentId, request: Request) -> Answer {
    let limit = limit(&request.query, DEFAULT, request.server.limits.documents_per_page)? as usize;
    let after = request.query.get("after").map_or("", String::as_str);
    let parent = open(&request.server, &id).await?;
    let found = request.server.hub.store().branches(parent.incarnation()).await;
    let found = found.map_err(|error| Problem::of(&id, error))?;
    // Who may read the parent may not know of every branch.
    let mut known = found.into_iter().filter(|branch| {
        let branch = &branch.identity.id;
        branch.as_str() > after && request.ask(Needs::Read, About::Document(branch)).is_ok()
    });
    let mut branches = Vec::new();
    for branch in known.by_ref().take(limit) {
        branches.push(view(&request, &id, branch).await?);
    }
    json(StatusCode::OK, &BranchesView { branches, more: known.next().is_some() })
}

async fn view(request: &Request, of: &DocumentId, found: Found) -> Result<BranchView, Problem> {
    let id = found.identity.id;
    let head = request.server.hub.store().head(found.incarnation).await.map_err(|error| Problem::of(&id, error))?;
    Ok(BranchView {
        of: of.clone(),
        version: found.begins.map_or(Version::ZERO, |begins| begins.version),
        epoch: found.identity.epoch.to_string(),
        head: head.version,
        created: found.identity.created,
        id,
    })
}

/// `POST /v1/docs/{id}/merge`
pub(super) async fn merge(id: DocumentId, request: Request) -> Answer {
    let MergeBody { branch: branch_id, preview } = MergeBody::parse(&request.body)?;
    request.ask(Needs::Read, About::Document(&branch_id))?;
    loop {
        let parent = open(&request.server, &id).await?;
        let branch = open(&request.server, &branch_id).await?;
        return match answer(&parent, &branch, preview).await {
            Ok(merged) => json(StatusCode::OK, &merged),
            // It left memory before it looked at the merge.
            Err(NotMerged::Ended(Ended::Retired)) => continue,
            Err(error) => Err(problem(&id, error)),
        };
    }
}

fn problem(id: &DocumentId, error: NotMerged) -> Problem {
    match error {
        NotMerged::NotABranch { .. } => Problem::new(Code::NotABranch, error.to_string()),
        NotMerged::TooMany { .. } => Problem::new(Code::TooLarge, error.to_string()),
        NotMerged::Refused(refusal) => Problem::new(Code::from(&refusal), refusal.to_string()),
        NotMerged::Store(error) => Problem::of(id, error),
        NotMerged::Ended(ended) => Problem::of(id, OpenError::from(ended)),
    }
}

async fn answer(parent: &Arc<Live>, branch: &Live, preview: bool) -> Result<MergedView, NotMerged> {
    if preview && let Some((merged, op)) = parent.preview_merge(branch).await? {
        return view_of(parent, branch, merged, Some(op), false).await;
    }
    if !preview && let Some(merged) = parent.merge(branch).await? {
        return view_of(parent, branch, merged, None, false).await;
    }
    // Nothing new: what the last merge did, or that there was none.
    match parent.last_merge(branch).await? {
        Some(merged) => view_of(parent, branch, merged, None, true).await,
        None => {
            let now = parent.now();
            let at = branch.head();
            Ok(MergedView {
                epoch: parent.identity().epoch.to_string(),
                from: now.version,
                version: now.version,
                chain: Some(now.chain),
                op: None,
                branch: BranchPart { id: branch.identity().id.clone(), from: at, version: at },
                repeated: true,
                conflicts: Vec::new(),
            })
        }
    }
}

/// A merge as it is said; `op` is what it would do, of one that was not made.
async fn view_of(
    parent: &Live,
    branch: &Live,
    merged: Merged,
    op: Option<TextOp>,
    repeated: bool,
) -> Result<MergedView, NotMerged> {
    let conflicts = if merged.conflicts.is_empty() { Vec::new() } else { told(parent, &merged, op.as_ref()).await? };
    let chain = match &op {
        None => Some(parent.chain_at(merged.parent.end).await?),
        Some(_) => None,
    };
    Ok(MergedView {
        epoch: parent.identity().epoch.to_string(),
        from: merged.parent.start,
        version: merged.parent.end,
        chain,
        op,
        branch: BranchPart { id: branch.identity().id.clone(), from: merged.branch.start, version: merged.branch.end },
        repeated,
        conflicts,
    })
}

/// The places that both sides changed, with their texts.
async fn told(parent: &Live, merged: &Merged, op: Option<&TextOp>) -> Result<Vec<ConflictView>, StoreError> {
    let misfit = |mismatch| StoreError::misfit(parent.incarnation(), merged.base, mismatch);
    let base = parent.snapshot_at(merged.base).await?.content;
    let before = parent.snapshot_at(merged.parent.start).await?.content;
    let mut alone = base.clone();
    merged.alone.apply(&mut alone).map_err(misfit)?;
    let after = match op {
        None => parent.snapshot_at(merged.parent.end).await?.content,
        Some(op) => {
            let mut after = before.clone();
            op.apply(&mut after).map_err(misfit)?;
            after
        }
    };
    let view = |conflict: &crate::ot::Conflict| ConflictView {
        base: passage(&base, &conflict.base),
        parent: passage(&before, &conflict.history),
        branch: passage(&alone, &conflict.incoming),
        merged: passage(&after, &conflict.both),
    };
    Ok(merged.conflicts.iter().map(view).collect())
}

fn passage(content: &Content, range: &Range<u64>) -> Passage {
    let cut = range.start..range.end.min(range.start + Passage::TEXT_MAX);
    Passage { from: range.start, to: range.end, text: content.text(cut) }
}
