//! Plays a recorded editing session against a running server, through real clients, and holds what comes out against the
//! text that the recording ends in. Called by the command line and by the tests.

mod agent;
mod board;
mod command;
mod ties;
mod trace;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use command::{Flags, run};
pub use trace::{BadTrace, Trace};

use crate::client::{BadAddress, Client, Closed, Create, Doc, EditError, Identity, NotFlushed, Options};
use crate::document::{DocumentId, Version};
use agent::Agent;
use board::Board;

/// What to play against, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server's address, as in `http://127.0.0.1:8080`.
    pub url: String,
    /// Access token, where the server asks for one.
    pub token: Option<String>,
    /// The document to write; it must not have been written to before, unless `again`.
    pub doc: DocumentId,
    /// Whether a document that was written to before is emptied, as one edit, and written on.
    pub again: bool,
    /// Whether to type on without waiting for acks, so that what is typed meanwhile becomes one revision. For recordings
    /// of one person only; otherwise each transaction is a revision.
    pub batch: bool,
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Transactions typed.
    pub transactions: usize,
    /// The document's version at the end.
    pub version: Version,
    /// From the first transaction to the last ack.
    pub took: Duration,
}

/// Why a replay did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// The server does not serve the document.
    #[error("the document cannot be edited: {0}")]
    Closed(#[from] Closed),
    /// The document has a history already.
    #[error("document {0} was written to before; a replay begins with a document of its own")]
    NotFresh(DocumentId),
    /// A transaction does not fit the text that its agent had.
    #[error("transaction {transaction} of agent {agent} does not fit: {reason}")]
    DoesNotFit {
        /// Whose.
        agent: usize,
        /// Which of that agent's.
        transaction: usize,
        /// What does not fit.
        reason: String,
    },
    /// The server did not take an edit.
    #[error("the server did not take an edit: {0}")]
    NotTaken(String),
    /// A text is not the one expected.
    #[error("{who} differs from the recording's end: {difference}")]
    Differs {
        /// Whose text.
        who: String,
        /// Where and how.
        difference: Difference,
    },
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        Failure::NotTaken(error.to_string())
    }
}

impl From<NotFlushed> for Failure {
    fn from(error: NotFlushed) -> Self {
        Failure::NotTaken(error.to_string())
    }
}

/// The first place at which two texts differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "from character {at} on it has {found:?} where {expected:?} is expected ({found_len} characters, not {expected_len})"
)]
pub struct Difference {
    at: usize,
    found: String,
    expected: String,
    found_len: usize,
    expected_len: usize,
}

impl Difference {
    /// Characters of each text that are shown.
    const SHOWN: usize = 30;

    fn between(found: &str, expected: &str) -> Option<Self> {
        if found == expected {
            return None;
        }
        let at = found.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
        let shown = |text: &str| text.chars().skip(at).take(Self::SHOWN).collect();
        Some(Difference {
            at,
            found: shown(found),
            expected: shown(expected),
            found_len: found.chars().count(),
            expected_len: expected.chars().count(),
        })
    }
}

/// Plays a recording and compares every client's text and the server's with its end. `progress` is called after each
/// transaction.
pub async fn replay(
    trace: Arc<Trace>,
    target: &Target,
    progress: impl Fn() + Clone + Send + 'static,
) -> Result<Report, Failure> {
    let mut docs = Vec::new();
    let mut begin = Version::ZERO;
    for _ in &trace.agents {
        let create = Create::text(trace.start.clone());
        let doc = client(target)?.open(target.doc.clone(), Some(create)).await?;
        if docs.is_empty() {
            begin = begin_at(&doc, &trace, target).await?;
        }
        doc.reached(begin).await?;
        docs.push(doc);
    }
    let board = Arc::new(Board::new(docs.len(), begin));
    let began = Instant::now();
    let mut typing = tokio::task::JoinSet::new();
    for (number, doc) in docs.into_iter().enumerate() {
        let agent = Agent::new(number, doc, begin, trace.clone(), board.clone());
        typing.spawn(agent.types(target.batch, progress.clone()));
    }
    let mut docs = Vec::new();
    while let Some(typed) = typing.join_next().await {
        // An error ends the replay, and dropping the set ends the other agents.
        docs.push(typed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?);
    }
    let took = began.elapsed();
    let version = docs.iter().map(|(_, doc)| doc.version()).max().unwrap_or_default();
    for (number, doc) in &docs {
        doc.reached(version).await?;
        hold_against(&trace, doc, format!("the text of agent {number}"))?;
    }
    let there = compare(&trace, target).await?;
    Ok(Report { transactions: trace.transactions(), version: there, took })
}

/// Sees to it that a document holds what the recording begins with, and answers at which version it does.
async fn begin_at(doc: &Doc, trace: &Trace, target: &Target) -> Result<Version, Failure> {
    let text = doc.text();
    if doc.version() > Version(1) || text.to_string() != trace.start {
        if !target.again {
            return Err(Failure::NotFresh(target.doc.clone()));
        }
        doc.replace(0, text.len(), &trace.start)?;
        doc.flushed().await?;
    }
    Ok(doc.version())
}

/// Compares the server's text, as a new client is given it, with the recording's end.
pub async fn compare(trace: &Trace, target: &Target) -> Result<Version, Failure> {
    let doc = client(target)?.open(target.doc.clone(), None).await?;
    hold_against(trace, &doc, "the server's text".into())?;
    Ok(doc.version())
}

fn hold_against(trace: &Trace, doc: &Doc, who: String) -> Result<(), Failure> {
    match Difference::between(&doc.text().to_string(), &trace.end) {
        None => Ok(()),
        Some(difference) => Err(Failure::Differs { who, difference }),
    }
}

fn client(target: &Target) -> Result<Client, Failure> {
    /// A server that is not there is said so after a few tries.
    const ATTEMPTS: u32 = 6;
    let options = Options { attempts: Some(ATTEMPTS), ..Options::default() };
    let identity = Identity { token: target.token.clone(), ..Identity::random() };
    Ok(Client::connect(&target.url, identity, options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_first_character_that_differs() {
        assert_eq!(Difference::between("same", "same"), None);
        let difference = Difference::between("𝑒bc", "𝑒bd!").unwrap();
        assert_eq!(
            difference.to_string(),
            r#"from character 2 on it has "c" where "d!" is expected (3 characters, not 4)"#
        );
    }
}
