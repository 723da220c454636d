//! What the writer is asked for, and how it answers.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::label::{Changed, LabelChange};
use super::slice::{Put, Slice};
use crate::document::{Identity, Revision, Version};
use crate::store::{AppendError, BranchPoint, Created, Incarnation, StoreError};

/// Everything that reaches the writer.
pub enum Request {
    /// Joins the next group commit.
    Edit(Edit),
    /// Waits until no edit does.
    Slice(Slice),
    /// Copies the write-ahead log into the database, so that the log can begin again.
    Checkpoint(oneshot::Sender<()>),
    /// Commits what came before, and ends.
    Close(oneshot::Sender<()>),
}

/// What becomes durable in a group commit.
pub enum Edit {
    Append {
        document: Incarnation,
        at: Version,
        count: u64,
        /// The records of `at+1, at+2, ...`.
        records: Vec<u8>,
        answer: oneshot::Sender<Result<(), AppendError>>,
    },
    Create {
        identity: Box<Identity>,
        begins: Option<BranchPoint>,
        first: Option<Arc<Revision>>,
        answer: oneshot::Sender<Result<Created, StoreError>>,
    },
    Label {
        document: Incarnation,
        change: LabelChange,
        answer: oneshot::Sender<Result<Changed, StoreError>>,
    },
    Adopt {
        document: Incarnation,
        horizon: Version,
        rows: Vec<Put>,
        answer: oneshot::Sender<Result<(), AppendError>>,
    },
    Remove {
        document: Incarnation,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
}

impl Edit {
    /// About how many bytes it adds to the journal row.
    pub fn bytes(&self) -> usize {
        match self {
            Edit::Append { records, .. } => records.len(),
            // Their rows are beside the journal's.
            Edit::Remove { .. } | Edit::Label { .. } | Edit::Adopt { .. } => 0,
            Edit::Create { first, .. } => 256 + first.as_ref().map_or(0, |first| first.op.inserted_bytes()),
        }
    }

    /// Whether it changes rows beside the journal's, in the same transaction.
    pub fn has_rows(&self) -> bool {
        !matches!(self, Edit::Append { .. })
    }

    /// Says that nothing can be written at present.
    pub fn refuse(self, reason: &str) {
        Answer::from_failure(self, reason).send();
    }
}

/// An answer that is given once the commit is through.
pub enum Answer {
    Append(oneshot::Sender<Result<(), AppendError>>, Result<(), AppendError>),
    Create(oneshot::Sender<Result<Created, StoreError>>, Result<Created, StoreError>),
    Label(oneshot::Sender<Result<Changed, StoreError>>, Result<Changed, StoreError>),
    Remove(oneshot::Sender<Result<(), StoreError>>, Result<(), StoreError>),
}

impl Answer {
    fn from_failure(edit: Edit, reason: &str) -> Self {
        let error = StoreError::Unavailable(reason.to_owned());
        match edit {
            Edit::Append { answer, .. } | Edit::Adopt { answer, .. } => Answer::Append(answer, Err(error.into())),
            Edit::Create { answer, .. } => Answer::Create(answer, Err(error)),
            Edit::Label { answer, .. } => Answer::Label(answer, Err(error)),
            Edit::Remove { answer, .. } => Answer::Remove(answer, Err(error)),
        }
    }

    /// Gives the answer. Whoever asked may be gone; the edit stands all the same.
    pub fn send(self) {
        match self {
            Answer::Append(to, answer) => _ = to.send(answer),
            Answer::Create(to, answer) => _ = to.send(answer),
            Answer::Label(to, answer) => _ = to.send(answer),
            Answer::Remove(to, answer) => _ = to.send(answer),
        }
    }

    /// Says that the commit failed, whatever the answer would have been.
    pub fn fail(self, reason: &str) {
        let error = StoreError::Unavailable(reason.to_owned());
        match self {
            Answer::Append(to, _) => _ = to.send(Err(error.into())),
            Answer::Create(to, _) => _ = to.send(Err(error)),
            Answer::Label(to, _) => _ = to.send(Err(error)),
            Answer::Remove(to, _) => _ = to.send(Err(error)),
        }
    }
}
