//! Restores over HTTP: taking back what was, as a new revision.

use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use super::place::{not_ahead, open};
use super::submission::{author, keyed};
use crate::document::{DocumentId, Edit, Revision, Unclean, Version};
use crate::hub::{Ended, Live, OpenError, Outcome, Restore, Unplanned};
use crate::ot::{Op, TextOp};
use crate::protocol::{Code, RestoreBody, RestoreWhat, Restored, UncleanView};
use crate::server::problem::Problem;

/// `POST /v1/docs/{id}/restore`
pub(super) async fn restore(id: DocumentId, request: Request) -> Answer {
    let RestoreBody { what, preview } = RestoreBody::parse(&request.body)?;
    let what = match what {
        RestoreWhat::Version(version) => Restore::To(version),
        RestoreWhat::Stretch { from, to, user } => Restore::Stretch { from, to, user },
    };
    let author = author(&request.caller, None);
    let origin = keyed(&request.headers, &author)?;
    let broken = |error| Problem::of(&id, OpenError::Store(error));
    loop {
        let live = open(&request.server, &id).await?;
        if let Some(origin) = origin
            && let Some(taken) = live.taken(origin.client).await.map_err(broken)?
        {
            let done = live.revision(taken.version).await.map_err(broken)?;
            return granted(&id, &live, &what, &done, None).await;
        }
        let now = live.now();
        not_ahead(now.version, last_of(&what))?;
        let (op, unclean) = live.plan_restore(&what, now.version).await.map_err(|error| unplanned(&id, error))?;
        let edit = Edit { base: now.version, origin, author: author.clone(), may_write: true, op: Ok(op) };
        let change = edit.op.as_ref().ok().and_then(|op| op.granted_at_base().ok());
        let nothing = change.as_ref().is_some_and(TextOp::is_identity);
        if preview || nothing {
            let answer = Restored {
                epoch: live.identity().epoch.to_string(),
                version: (!preview).then_some(now.version),
                chain: now.chain,
                time: now.time,
                op: change.unwrap_or_else(|| TextOp::identity(now.content.len())),
                unclean: unclean.into_iter().map(UncleanView::of).collect(),
            };
            return json(StatusCode::OK, &answer);
        }
        return match live.submit(edit).await {
            Outcome::Granted(revision) => {
                let unmoved = revision.version == now.version.next();
                granted(&id, &live, &what, &revision, unmoved.then_some(unclean)).await
            }
            Outcome::Repeated(revision) => granted(&id, &live, &what, &revision, None).await,
            Outcome::Refused(refusal) => Err(Problem::new(Code::from(&refusal), refusal.to_string())),
            Outcome::Failed(error) => Err(broken(error)),
            // It left memory before it looked at the edit.
            Outcome::Ended(Ended::Retired) => continue,
            Outcome::Ended(ended) => Err(Problem::of(&id, OpenError::from(ended))),
        };
    }
}

fn unplanned(id: &DocumentId, error: Unplanned) -> Problem {
    match error {
        Unplanned::TooLarge(refusal) => Problem::new(Code::from(&refusal), refusal.to_string()),
        Unplanned::Store(error) => Problem::of(id, OpenError::Store(error)),
    }
}

/// The newest version that has to exist.
fn last_of(what: &Restore) -> Version {
    match what {
        Restore::To(version) => *version,
        Restore::Stretch { to, .. } => *to,
    }
}

/// The answer to a restore that is this revision; `unclean` if it is known already.
async fn granted(
    id: &DocumentId,
    live: &Live,
    what: &Restore,
    revision: &Revision,
    unclean: Option<Vec<Unclean>>,
) -> Answer {
    let unclean = match unclean {
        Some(unclean) => unclean,
        None => {
            let before = Version(revision.version.0 - 1);
            let planned = live.plan_restore(what, before).await;
            planned.map_err(|error| unplanned(id, error))?.1
        }
    };
    let answer = Restored {
        epoch: live.identity().epoch.to_string(),
        version: Some(revision.version),
        chain: revision.chain,
        time: revision.time,
        op: revision.op.clone(),
        unclean: unclean.into_iter().map(UncleanView::of).collect(),
    };
    json(StatusCode::OK, &answer)
}
