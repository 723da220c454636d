//! Edits over HTTP: revisions like any other.

use std::sync::Arc;

use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use super::parameters::{bad, header};
use super::place::{check_chain, check_epoch, open};
use crate::document::{Author, ClientKey, DocumentId, Edit, Origin, Refusal, SentOp, Seq, User, public_id};
use crate::hub::{Ended, OpenError, Outcome};
use crate::protocol::{Code, EditBody, EditGranted};
use crate::server::access::Caller;
use crate::server::problem::Problem;

/// The header that makes a request without (client, seq) be taken once.
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// `POST /v1/docs/{id}/edits`
pub(super) async fn submit(id: DocumentId, request: Request) -> Answer {
    let EditBody { version, op, epoch, chain, origin } = EditBody::parse(&request.body)?;
    let author = author(&request.caller, origin.as_ref().map(|(client, _)| client.as_str()));
    let origin = match (origin, header(&request.headers, IDEMPOTENCY_KEY)?) {
        (Some(_), Some(_)) => {
            return Err(bad(format!("`client` and `seq`, or the header {IDEMPOTENCY_KEY}: one of them, not both")));
        }
        (Some((client, seq)), None) => Some(Origin { client: ClientKey::of_client(&client), seq }),
        (None, Some(key)) => Some(Origin { client: ClientKey::of_idempotency_key(&author.user.id, key), seq: Seq(1) }),
        (None, None) => None,
    };
    let op = op.map(SentOp::from).map_err(Refusal::BadOp);
    let edit = Edit { base: version, origin, author, may_write: request.caller.may_write(&id), op };
    loop {
        let live = open(&request.server, &id).await?;
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
            Outcome::Granted(revision) | Outcome::Repeated(revision) => {
                let granted = EditGranted {
                    epoch: mine,
                    version: revision.version,
                    chain: revision.chain,
                    time: revision.time,
                    op: revision.op.clone(),
                };
                json(StatusCode::OK, &granted)
            }
            Outcome::Refused(refusal) => Err(Problem::new(Code::from(&refusal), refusal.to_string())),
            Outcome::Failed(error) => Err(Problem::of(&id, OpenError::Store(error))),
            // It left memory before it looked at the edit.
            Outcome::Ended(Ended::Retired) => continue,
            Outcome::Ended(ended) => Err(Problem::of(&id, OpenError::from(ended))),
        };
    }
}

/// Who writes over HTTP: whom the token names; without one, the client; without that, nobody in particular.
pub(super) fn author(caller: &Caller, client: Option<&str>) -> Arc<Author> {
    let user = caller.user.clone().unwrap_or_else(|| User {
        id: client.map_or("anonymous".into(), |client| public_id("user", client)),
        name: Default::default(),
    });
    Arc::new(Author { session: None, user })
}
