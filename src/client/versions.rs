//! Writing with versions: labels, restores, branches and merges.

use bytes::Bytes;
use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::dial::{Connector, Tcp};
use super::http::{Http, RequestError, encoded, read};
use crate::document::{DocumentId, Keeping, LabelName, Version};
use crate::protocol::{BranchView, BranchesView, LabelView, LabelsView, MergedView, PrunedView, RestoreWhat, Restored};

/// One document's versions, on a server.
///
/// ```no_run
/// # use variorum::client::{Http, Versions};
/// # use variorum::document::Version;
/// # use variorum::protocol::RestoreWhat;
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let notes = Versions::new(Http::new("http://127.0.0.1:8080", None)?, "notes".parse()?);
/// notes.label(&"first draft".parse()?, None, "sent to the editor").await?;
/// let restored = notes.restore(&RestoreWhat::Version(Version(7)), false).await?;
/// println!("version 7 is back, as version {:?}", restored.version);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Versions<C = Tcp> {
    http: Http<C>,
    path: String,
}

impl<C: Connector> Versions<C> {
    /// Of a document on a server.
    pub fn new(http: Http<C>, id: DocumentId) -> Self {
        Versions { http, path: format!("/v1/docs/{}", encoded(id.as_str())) }
    }

    /// Every label, by version and then by name.
    pub async fn labels(&self) -> Result<Vec<LabelView>, RequestError> {
        let all: LabelsView = self.http.get(&format!("{}/labels", self.path), &[]).await?;
        Ok(all.labels)
    }

    /// Names a version, the newest if none is said.
    pub async fn label(
        &self,
        name: &LabelName,
        version: Option<Version>,
        note: &str,
    ) -> Result<LabelView, RequestError> {
        self.ask(Method::PUT, &self.label_path(name), json!({"version": version, "note": note})).await
    }

    /// Takes a name away.
    pub async fn delete_label(&self, name: &LabelName) -> Result<(), RequestError> {
        self.http.request(Method::DELETE, &self.label_path(name), &[], Bytes::new()).await.map(drop)
    }

    /// Takes back what was, or only says what that would do.
    pub async fn restore(&self, what: &RestoreWhat, preview: bool) -> Result<Restored, RequestError> {
        let body = match what {
            RestoreWhat::Version(version) => json!({"version": version, "preview": preview}),
            RestoreWhat::Stretch { from, to, user } => {
                json!({"from": from, "to": to, "user": user, "preview": preview})
            }
        };
        self.ask_once(&format!("{}/restore", self.path), body).await
    }

    /// Every branch, in order of their ids.
    pub async fn branches(&self) -> Result<Vec<BranchView>, RequestError> {
        let mut all: Vec<BranchView> = Vec::new();
        loop {
            let after = all.last().map_or(String::new(), |last| last.id.to_string());
            let page: BranchesView = self.http.get(&format!("{}/branches", self.path), &[("after", after)]).await?;
            all.extend(page.branches);
            if !page.more {
                return Ok(all);
            }
        }
    }

    /// Makes a branch that begins at a version, the newest if none is said.
    pub async fn branch(&self, id: &DocumentId, version: Option<Version>) -> Result<BranchView, RequestError> {
        self.ask(Method::POST, &format!("{}/branches", self.path), json!({"id": id, "version": version})).await
    }

    /// Takes over what was written on a branch, or only says what that would do.
    pub async fn merge(&self, branch: &DocumentId, preview: bool) -> Result<MergedView, RequestError> {
        self.ask_once(&format!("{}/merge", self.path), json!({"branch": branch, "preview": preview})).await
    }

    /// Squashes what of its history need not be kept, or only says what that would be.
    pub async fn prune(&self, keep: Keeping, preview: bool) -> Result<PrunedView, RequestError> {
        let body = json!({"keep": keep.to_string(), "preview": preview});
        self.ask(Method::POST, &format!("{}/prune", self.path), body).await
    }

    fn label_path(&self, name: &LabelName) -> String {
        format!("{}/labels/{}", self.path, encoded(name.as_str()))
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Value) -> Result<T, RequestError> {
        read(path, &self.http.request(method, path, &[], body.to_string().into()).await?)
    }

    /// What must not be done twice if its answer is lost.
    async fn ask_once<T: DeserializeOwned>(&self, path: &str, body: Value) -> Result<T, RequestError> {
        read(path, &self.http.post_once(path, body.to_string().into()).await?)
    }
}
