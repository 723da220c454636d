//! Reading a document's past.

use super::dial::{Connector, Tcp};
use super::http::{Http, RequestError, encoded};
use crate::document::{DocumentId, Time, Version};
use crate::protocol::{BlameBody, DiffBody, HistoryPage, SearchBody, SnapshotBody};

/// Which version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// The newest.
    #[default]
    Now,
    /// This one.
    Version(Version),
    /// The newest at a time.
    At(Time),
}

/// What of a history is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Stretches that end at this version or before; the newest if none.
    pub before: Option<Version>,
    /// How many at most; as the server likes if none.
    pub limit: Option<u64>,
    /// Only those of this user id.
    pub author: Option<String>,
    /// How long a pause ends a stretch; as the server likes if none.
    pub pause_ms: Option<u64>,
}

/// One document's past, on a server.
///
/// ```no_run
/// # use variorum::client::{Http, Past, Wanted};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let past = Past::new(Http::new("http://127.0.0.1:8080", None)?, "notes".parse()?);
/// for stretch in past.history(&Wanted::default()).await?.stretches {
///     println!("{} wrote {} and removed {}", stretch.user.name, stretch.added, stretch.removed);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Past<C = Tcp> {
    http: Http<C>,
    path: String,
}

impl<C: Connector> Past<C> {
    /// Of a document on a server.
    pub fn new(http: Http<C>, id: DocumentId) -> Self {
        Past { http, path: format!("/v1/docs/{}", encoded(id.as_str())) }
    }

    /// The content at a version, with its place and time.
    pub async fn content(&self, when: When) -> Result<SnapshotBody, RequestError> {
        let query = match when {
            When::Now => Vec::new(),
            When::Version(version) => vec![("version", version.to_string())],
            When::At(time) => vec![("at", time.0.to_string())],
        };
        self.http.get(&self.path, &query).await
    }

    /// A page of history, newest first.
    pub async fn history(&self, wanted: &Wanted) -> Result<HistoryPage, RequestError> {
        let Wanted { before, limit, author, pause_ms } = wanted;
        let given = [
            ("before", before.map(|before| before.to_string())),
            ("limit", limit.map(|limit| limit.to_string())),
            ("author", author.clone()),
            ("pause_ms", pause_ms.map(|pause| pause.to_string())),
        ];
        self.http.get(&format!("{}/history", self.path), &those(given)).await
    }

    /// What differs between two versions, kept text included: the newest and the one before it, where none is named.
    pub async fn diff(&self, from: Option<Version>, to: Option<Version>) -> Result<DiffBody, RequestError> {
        let version = |version: Option<Version>| version.map(|version| version.to_string());
        let given = [("from", version(from)), ("to", version(to)), ("kept", Some("true".into()))];
        self.http.get(&format!("{}/diff", self.path), &those(given)).await
    }

    /// Who wrote each character of a version (the newest, if none), from a position on.
    pub async fn blame(&self, version: Option<Version>, start: u64) -> Result<BlameBody, RequestError> {
        let given = [("version", version.map(|version| version.to_string())), ("start", Some(start.to_string()))];
        self.http.get(&format!("{}/blame", self.path), &those(given)).await
    }

    /// Where a text has stood in the whole history, the newest place first.
    pub async fn search(&self, text: &str, only_gone: bool) -> Result<SearchBody, RequestError> {
        let query = [("text", text.to_owned()), ("gone", only_gone.to_string())];
        self.http.get(&format!("{}/search", self.path), &query).await
    }
}

/// The parameters that are given.
fn those<const N: usize>(given: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
