//! An edit on its way to the authority: made once however often it is sent, and answered when it is durable.

use std::sync::Arc;

use warp::http::HeaderMap;

use super::parameters::{bad, header};
use crate::document::{Author, ClientKey, DocumentId, Edit, Origin, Revision, Seq, User, public_id};
use crate::hub::{Ended, Live, OpenError, Outcome};
use crate::limits::IDEMPOTENCY_KEY_LENGTH;
use crate::protocol::Code;
use crate::server::access::Caller;
use crate::server::problem::Problem;

/// The header that makes a request without (client, seq) be taken once.
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Who writes over HTTP: whom the token names; without one, the client; without that, nobody in particular.
pub(super) fn author(caller: &Caller, client: Option<&str>) -> Arc<Author> {
    let user = caller.user.clone().unwrap_or_else(|| User {
        id: client.map_or("anonymous".into(), |client| public_id("user", client)),
        name: Default::default(),
    });
    Arc::new(Author { session: None, user })
}

/// The identity that an `Idempotency-Key` gives an edit: a client of this user whose seq is 1.
pub(super) fn keyed(headers: &HeaderMap, author: &Author) -> Result<Option<Origin>, Problem> {
    let Some(key) = header(headers, IDEMPOTENCY_KEY)? else { return Ok(None) };
    // A header value of visible ASCII, so bytes are characters.
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_LENGTH {
        let length = key.len();
        return Err(bad(format!(
            "the header {IDEMPOTENCY_KEY} has {length} characters; expected 1 to {IDEMPOTENCY_KEY_LENGTH}"
        )));
    }
    Ok(Some(Origin { client: ClientKey::of_idempotency_key(&author.user.id, key), seq: Seq(1) }))
}

/// Whether an edit of this identity is the last one taken from its client.
pub(super) async fn is_repeat(live: &Live, id: &DocumentId, origin: Option<Origin>) -> Result<bool, Problem> {
    let Some(origin) = origin else { return Ok(false) };
    let taken = live.taken(origin.client).await.map_err(|error| Problem::of(id, OpenError::Store(error)))?;
    Ok(taken.is_some_and(|taken| taken.seq == origin.seq))
}

/// The revision that the edit became, or that it was before. None if the document left memory before it was looked at:
/// it is to be opened anew.
pub(super) async fn submit(live: &Live, id: &DocumentId, edit: Edit) -> Result<Option<Arc<Revision>>, Problem> {
    match live.submit(edit).await {
        Outcome::Granted(revision) | Outcome::Repeated(revision) => Ok(Some(revision)),
        Outcome::Refused(refusal) => Err(Problem::new(Code::from(&refusal), refusal.to_string())),
        Outcome::Failed(error) => Err(Problem::of(id, OpenError::Store(error))),
        Outcome::Ended(Ended::Retired) => Ok(None),
        Outcome::Ended(ended) => Err(Problem::of(id, OpenError::from(ended))),
    }
}
