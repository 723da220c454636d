//! Content put as a whole: the server finds the small op that leads to it, so that what others did since is kept.

use std::sync::Arc;

use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use super::etag::{Base, Named};
use super::parameters::bad;
use super::place::{check_chain, check_epoch, not_ahead, open};
use super::submission::{author, is_repeat, keyed, submit};
use crate::document::{DocumentId, Edit, Refusal, SentOp, Snapshot};
use crate::hub::{Live, OpenError};
use crate::ot::TextOp;
use crate::protocol::{Code, ContentPut};
use crate::server::problem::Problem;

/// Texts of up to this many bytes together are compared where the request is: it takes less than a millisecond.
const COMPARED_HERE: usize = 16 << 10;

/// `PUT /v1/docs/{id}/content`
pub(super) async fn put(id: DocumentId, request: Request) -> Answer {
    let new = std::str::from_utf8(&request.body).map_err(|error| bad(format!("the content is not UTF-8: {error}")))?;
    let author = author(&request.caller, None);
    let origin = keyed(&request.headers, &author)?;
    let base = Base::of(&request.headers)?;
    let new: Arc<str> = new.into();
    let may_write = request.caller.may_write(&id);
    loop {
        let live = open(&request.server, &id).await?;
        let epoch = live.identity().epoch;
        if let Base::Read(named) = &base {
            check_epoch(Some(&named.epoch), &epoch.to_string())?;
        }
        let repeat = is_repeat(&live, &id, origin).await?;
        if !repeat && !may_write {
            return Err(Problem::new(Code::ReadOnly, Refusal::ReadOnly.to_string()));
        }
        let read = read_base(&live, &id, &base, repeat).await?;
        // A repeat is answered with what it became, whatever op comes with it.
        let op = match repeat {
            true => TextOp::default(),
            false => difference(&read, new.clone(), request.server.limits.op_parts).await?,
        };
        if !repeat && op.is_identity() {
            let answer = ContentPut { epoch: epoch.to_string(), version: read.version, chain: read.chain };
            return json(StatusCode::OK, &answer);
        }
        let op = Ok(SentOp::from(op));
        let edit = Edit { base: read.version, origin, author: author.clone(), may_write, op };
        let Some(revision) = submit(&live, &id, edit).await? else { continue };
        let answer = ContentPut { epoch: epoch.to_string(), version: revision.version, chain: revision.chain };
        return json(StatusCode::OK, &answer);
    }
}

/// The version that the writer had read.
async fn read_base(live: &Live, id: &DocumentId, base: &Base, repeat: bool) -> Result<Snapshot, Problem> {
    let Named { version, chain, .. } = match base {
        Base::Read(named) if !repeat => named,
        _ => return Ok(live.now()),
    };
    not_ahead(live.head(), *version)?;
    check_chain(live, id, *version, Some(chain)).await?;
    live.snapshot_at(*version).await.map_err(|error| Problem::of(id, OpenError::Store(error)))
}

async fn difference(old: &Snapshot, new: Arc<str>, parts_max: usize) -> Result<TextOp, Problem> {
    let old = old.content.clone();
    let small = old.bytes_len() + new.len() <= COMPARED_HERE;
    let compare = move || TextOp::between(&old.to_string(), &new, parts_max);
    if small {
        return Ok(compare());
    }
    let compared = tokio::task::spawn_blocking(compare).await;
    compared.map_err(|error| Problem::new(Code::Internal, format!("the contents could not be compared: {error}")))
}
