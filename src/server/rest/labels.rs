//! Labels over HTTP: naming versions, and finding them by name.

use warp::http::{Response, StatusCode};

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use super::parameters::{bad, decoded};
use super::place::{not_ahead, open};
use super::submission::author;
use crate::document::{DocumentId, Label, LabelName};
use crate::hub::Live;
use crate::protocol::{Code, LabelBody, LabelView, LabelsView};
use crate::server::problem::Problem;
use crate::store::{LABELS_MAX, Labelled};

/// `GET /v1/docs/{id}/labels`
pub(super) async fn list(id: DocumentId, request: Request) -> Answer {
    let labels = read(&id, &request, &*open(&request.server, &id).await?).await?;
    json(StatusCode::OK, &LabelsView { labels: labels.iter().map(LabelView::of).collect() })
}

/// `GET /v1/docs/{id}/labels/{name}`
pub(super) async fn read_one(id: DocumentId, request: Request) -> Answer {
    let name = name(&request)?;
    let labels = read(&id, &request, &*open(&request.server, &id).await?).await?;
    let label = labels.iter().find(|label| label.name == name).ok_or_else(|| unknown(&id, &name))?;
    json(StatusCode::OK, &LabelView::of(label))
}

/// `PUT /v1/docs/{id}/labels/{name}`
pub(super) async fn put(id: DocumentId, request: Request) -> Answer {
    let name = name(&request)?;
    let LabelBody { version, note } = LabelBody::parse(&request.body)?;
    let live = open(&request.server, &id).await?;
    let version = not_ahead(live.head(), version.unwrap_or(live.head()))?;
    let time = request.server.hub.world().now();
    let label = Label { name, version, author: author(&request.caller, None).user.clone(), time, note };
    let labelled = request.server.hub.store().put_label(live.incarnation(), label.clone()).await;
    match labelled.map_err(|error| Problem::of(&id, error))? {
        Labelled::New => json(StatusCode::CREATED, &LabelView::of(&label)),
        Labelled::Existing(there) if there.is_same(&label) => json(StatusCode::OK, &LabelView::of(&there)),
        Labelled::Existing(there) => {
            let message = format!(
                "label {:?} of document {id} names version {}, not {version}",
                there.name.as_str(),
                there.version
            );
            let message = match there.version == version {
                true => format!("label {:?} of document {id} has another note", there.name.as_str()),
                false => message,
            };
            Err(Problem::new(Code::LabelExists, message))
        }
        Labelled::Full => {
            Err(Problem::new(Code::TooLarge, format!("document {id} has {LABELS_MAX} labels, as many as it may")))
        }
    }
}

/// `DELETE /v1/docs/{id}/labels/{name}`
pub(super) async fn delete(id: DocumentId, request: Request) -> Answer {
    let name = name(&request)?;
    let live = open(&request.server, &id).await?;
    let deleted = request.server.hub.store().delete_label(live.incarnation(), name.clone()).await;
    match deleted.map_err(|error| Problem::of(&id, error))? {
        true => Ok(Response::builder()
            .status(StatusCode::NO_CONTENT)
            .body(Default::default())
            .expect("an answer without headers is well-formed")),
        false => Err(unknown(&id, &name)),
    }
}

async fn read(id: &DocumentId, request: &Request, live: &Live) -> Result<Vec<Label>, Problem> {
    request.server.hub.store().labels(live.incarnation()).await.map_err(|error| Problem::of(id, error))
}

/// The label that the path names.
fn name(request: &Request) -> Result<LabelName, Problem> {
    let encoded = request.parts.get("name").expect("the path of a label names it");
    decoded("name", encoded)?.parse().map_err(|error: crate::document::BadLabelName| bad(error.to_string()))
}

fn unknown(id: &DocumentId, name: &LabelName) -> Problem {
    Problem::new(Code::UnknownLabel, format!("document {id} has no label {:?}", name.as_str()))
}
