//! Edits over HTTP: revisions like any other.

use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use super::parameters::bad;
use super::place::{check_chain, check_epoch, open};
use super::submission::{IDEMPOTENCY_KEY, author, is_repeat, keyed, submit};
use crate::document::{ClientKey, DocumentId, Edit, Origin, Refusal, SentOp};
use crate::protocol::{EditBody, EditGranted};

/// `POST /v1/docs/{id}/edits`
pub(super) async fn post(id: DocumentId, request: Request) -> Answer {
    let EditBody { version, op, epoch, chain, origin } = EditBody::parse(&request.body)?;
    let author = author(&request.caller, origin.as_ref().map(|(client, _)| client.as_str()));
    let origin = match (origin, keyed(&request.headers, &author)?) {
        (Some(_), Some(_)) => {
            return Err(bad(format!("`client` and `seq`, or the header {IDEMPOTENCY_KEY}: one of them, not both")));
        }
        (Some((client, seq)), None) => Some(Origin { client: ClientKey::of_client(&client), seq }),
        (None, keyed) => keyed,
    };
    let op = op.map(SentOp::from).map_err(Refusal::BadOp);
    let edit = Edit { base: version, origin, author, may_write: request.caller.may_write(&id), op };
    loop {
        let live = open(&request.server, &id).await?;
        let mine = live.identity().epoch.to_string();
        check_epoch(epoch.as_ref(), &mine)?;
        // A repeat is answered whatever it says of the chain; a version ahead is the authority's to refuse.
        if !is_repeat(&live, &id, origin).await? && version <= live.head() {
            check_chain(&live, &id, version, chain.as_ref()).await?;
        }
        let Some(revision) = submit(&live, &id, edit.clone()).await? else { continue };
        let granted = EditGranted {
            epoch: mine,
            version: revision.version,
            chain: revision.chain,
            time: revision.time,
            op: revision.op.clone(),
        };
        return json(StatusCode::OK, &granted);
    }
}
