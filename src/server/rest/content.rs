//! A document's content at a version, sent only to those who do not have it yet.

use warp::http::{Response, StatusCode, header};

use super::Request;
use super::endpoint::Answer;
use super::etag::Tag;
use super::parameters::{bad, number};
use super::place::{not_ahead, open};
use crate::document::{DocumentId, Snapshot, Time, Version};
use crate::hub::{Live, Located, OpenError};
use crate::protocol::{Code, SnapshotBody};
use crate::server::problem::Problem;

/// `GET /v1/docs/{id}`
pub(super) async fn snapshot(id: DocumentId, request: Request) -> Answer {
    conditional(&id, &request, |live, snapshot| {
        let content = Some(snapshot.content.to_string());
        let body = serde_json::to_vec(&snapshot_body(live, snapshot, content)).expect("a snapshot is JSON");
        ("application/json", body)
    })
    .await
}

/// `GET /v1/docs/{id}/content`
pub(super) async fn bare(id: DocumentId, request: Request) -> Answer {
    conditional(&id, &request, |_, snapshot| ("text/plain; charset=utf-8", snapshot.content.to_string().into_bytes()))
        .await
}

/// Answers with a version of a document, or 304 if that is what the client has: then no content is read.
async fn conditional(
    id: &DocumentId,
    request: &Request,
    body: impl FnOnce(&Live, &Snapshot) -> (&'static str, Vec<u8>),
) -> Answer {
    let broken = |error| Problem::of(id, OpenError::Store(error));
    loop {
        let located = request.server.hub.locate(id).await.map_err(|error| Problem::of(id, error))?;
        let version = version_asked_for(&located, id, request).await?;
        let chain = located.chain_at(version).await.map_err(broken)?;
        let tag = Tag { epoch: located.identity().epoch, version, chain };
        let response = Response::builder()
            .header(header::ETAG, tag.to_string())
            .header(header::CACHE_CONTROL, "private, no-cache");
        let response = if tag.is_known(&request.headers) {
            response.status(StatusCode::NOT_MODIFIED).body(Default::default())
        } else {
            let live = match located {
                Located::Open(live) => live,
                Located::Stored(..) => open(&request.server, id).await?,
            };
            // Deleted and made anew since it was located.
            if live.identity().epoch != tag.epoch {
                continue;
            }
            let snapshot = live.snapshot_at(version).await.map_err(broken)?;
            let (kind, body) = body(&live, &snapshot);
            response.header(header::CONTENT_TYPE, kind).body(body.into())
        };
        return Ok(response.expect("every header is well-formed"));
    }
}

/// The version that `version` or `at` in the query names; without either, the newest.
async fn version_asked_for(located: &Located, id: &DocumentId, request: &Request) -> Result<Version, Problem> {
    let created = located.identity().created;
    match (number(&request.query, "version")?, number(&request.query, "at")?) {
        (Some(_), Some(_)) => Err(bad("`version` and `at` each name a version; give one of them")),
        (Some(version), None) => not_ahead(located.head(), Version(version)),
        (None, Some(at)) if at < created.0 => {
            let message = format!("document {id} was created at {}, after the time asked for, {at}", created.0);
            Err(Problem::new(Code::NotFound, message))
        }
        (None, Some(at)) => {
            let found = located.version_at(Time(at)).await;
            found.map_err(|error| Problem::of(id, OpenError::Store(error)))
        }
        (None, None) => Ok(located.head()),
    }
}

/// What is said of a document at a version.
pub(super) fn snapshot_body(live: &Live, snapshot: &Snapshot, content: Option<String>) -> SnapshotBody {
    let identity = live.identity();
    SnapshotBody {
        id: identity.id.clone(),
        kind: identity.kind.as_str().to_owned(),
        epoch: identity.epoch.to_string(),
        version: snapshot.version,
        chain: snapshot.chain,
        content,
        time: snapshot.time,
    }
}
