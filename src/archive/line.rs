//! The lines of a file, as JSON.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::document::{
    Author, Chain, ChainKey, ClientKey, DocumentId, Epoch, Identity, Label, Origin, Revision, Seq, Time, User, Version,
};
use crate::ot::TextOp;
use crate::store::Head;
use std::sync::Arc;

/// Which line it is.
#[derive(Deserialize)]
pub struct Tagged {
    /// Its type.
    #[serde(rename = "type")]
    pub sort: String,
}

/// The first line: what the document is, and where its history ends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentLine {
    #[serde(rename = "type")]
    sort: Sort,
    pub format: u64,
    pub id: DocumentId,
    pub kind: String,
    pub epoch: Epoch,
    /// The key of the chain: who has it can forge the document's history.
    pub key: Sixteen,
    pub created: Time,
    pub version: Version,
    pub chain: Chain,
}

/// A revision.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionLine {
    #[serde(rename = "type")]
    sort: Sort,
    pub version: Version,
    pub op: TextOp,
    pub chain: Chain,
    pub time: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<CompactString>,
    user: Person,
    /// The hash of the client's secret id, and its count: without them its edit would be taken again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<Sixteen>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

/// A label.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelLine {
    #[serde(rename = "type")]
    sort: Sort,
    name: String,
    version: Version,
    user: Person,
    time: Time,
    note: String,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndLine {
    #[serde(rename = "type")]
    sort: Sort,
    /// How many lines came before.
    pub lines: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    Document,
    Step,
    Ledger,
    Client,
    Revision,
    Label,
    End,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    id: CompactString,
    name: CompactString,
}

/// Sixteen bytes, as base64url.
#[derive(Debug, Clone, Copy)]
pub struct Sixteen(pub [u8; 16]);

impl Serialize for Sixteen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Sixteen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = CompactString::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Sixteen).ok_or_else(|| serde::de::Error::custom("expected 16 bytes as base64url"))
    }
}

impl Person {
    pub fn of(user: &User) -> Self {
        Person { id: user.id.clone(), name: user.name.clone() }
    }

    pub fn user(self) -> User {
        User { id: self.id, name: self.name }
    }
}

impl DocumentLine {
    pub fn of(identity: &Identity, head: Head, pruned: bool) -> Self {
        DocumentLine {
            sort: Sort::Document,
            format: if pruned { super::FORMAT_PRUNED } else { super::FORMAT },
            id: identity.id.clone(),
            kind: identity.kind.as_str().to_owned(),
            epoch: identity.epoch,
            key: Sixteen(identity.key.0),
            created: identity.created,
            version: head.version,
            chain: head.chain,
        }
    }

    /// What the document is, under this id or its own.
    pub fn identity(&self, id: Option<DocumentId>) -> Result<Identity, String> {
        let kind = self.kind.parse().map_err(|error: crate::document::UnsupportedKind| error.to_string())?;
        let id = id.unwrap_or_else(|| self.id.clone());
        Ok(Identity { id, kind, epoch: self.epoch, key: ChainKey(self.key.0), created: self.created })
    }
}

impl RevisionLine {
    pub fn of(revision: &Revision) -> Self {
        RevisionLine {
            sort: Sort::Revision,
            version: revision.version,
            op: revision.op.clone(),
            chain: revision.chain,
            time: revision.time,
            session: revision.author.session.clone(),
            user: Person::of(&revision.author.user),
            client: revision.origin.map(|origin| Sixteen(origin.client.0)),
            seq: revision.origin.map(|origin| origin.seq),
        }
    }

    pub fn revision(self) -> Result<Revision, String> {
        let origin = match (self.client, self.seq) {
            (None, None) => None,
            (Some(client), Some(seq)) => Some(Origin { client: ClientKey(client.0), seq }),
            _ => return Err("`client` and `seq` come together or not at all".into()),
        };
        Ok(Revision {
            version: self.version,
            op: self.op,
            author: Arc::new(Author { session: self.session, user: self.user.user() }),
            origin,
            time: self.time,
            chain: self.chain,
        })
    }
}

impl LabelLine {
    pub fn of(label: &Label) -> Self {
        LabelLine {
            sort: Sort::Label,
            name: label.name.as_str().to_owned(),
            version: label.version,
            user: Person::of(&label.author),
            time: label.time,
            note: label.note.clone(),
        }
    }

    pub fn label(self) -> Result<Label, String> {
        let name = self.name.parse().map_err(|error: crate::document::BadLabelName| error.to_string())?;
        Ok(Label { name, version: self.version, author: self.user.user(), time: self.time, note: self.note })
    }
}

impl EndLine {
    pub fn after(lines: u64) -> Self {
        EndLine { sort: Sort::End, lines }
    }
}
