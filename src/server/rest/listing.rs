//! Which documents there are.

use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use super::parameters::limit;
use crate::protocol::{ListedDocument, ListedPlace, Listing};
use crate::store::Listed;

/// Documents in one answer where the request does not say how many.
const DEFAULT: u64 = 100;

/// `GET /v1/docs`
pub(super) async fn list(request: Request) -> Answer {
    let Request { server, query, .. } = request;
    let limit = limit(&query, DEFAULT, server.limits.documents_per_page)? as usize;
    let text = |name| query.get(name).map_or("", String::as_str);
    // One more than asked for tells whether there are more.
    let mut listed = server.hub.store().list(text("prefix"), text("after"), limit + 1).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let documents = listed.into_iter().map(told).collect();
    json(StatusCode::OK, &Listing { documents, more })
}

fn told(Listed { id, found }: Listed) -> ListedDocument {
    match found {
        Ok((identity, head)) => {
            let place = ListedPlace {
                kind: identity.kind.as_str().to_owned(),
                version: head.version,
                epoch: identity.epoch.to_string(),
                created: identity.created,
                changed: head.time,
            };
            ListedDocument { id, place: Some(place), damaged: None }
        }
        Err(error) => ListedDocument { id, place: None, damaged: Some(error.to_string()) },
    }
}
