//! The server's side of the model: a log, the real document to decide by, and what each reader is told.

use std::sync::Arc;

use variorum::document::{
    Author, Chain, ChainKey, ClientKey, Decision, Document, DocumentId, Edit, EditLimits, Epoch, Identity, Kind,
    Missing, Origin, Revision, Seq, Snapshot, Stretch, Taken, Time, User, Version,
};
use variorum::ot::{Content, Op, TextOp};
use variorum::protocol::{Access, EditMessage, Open, PresenceView, RevisionItem, ServerMessage, TakenView};

use super::{BEGINNING, Broken, Missed, text_of};

const LIMITS: EditLimits = EditLimits { op_bytes: 100, op_parts: 100, document_length: 100 };

/// The server: all that it keeps over a restart is the log.
#[derive(Clone)]
pub(super) struct Server {
    log: Vec<Arc<Revision>>,
    broken: Option<Broken>,
    /// What a broken server no longer knows: the revisions before its last start.
    forgotten: usize,
}

/// The document's id.
pub(super) fn id() -> DocumentId {
    "model".parse().expect("a document id")
}

fn identity() -> Identity {
    Identity { id: id(), kind: Kind::Text, epoch: Epoch([1; 16]), key: ChainKey([2; 16]), created: Time(0) }
}

fn key(client: usize) -> ClientKey {
    ClientKey([client as u8; 16])
}

fn author() -> Arc<Author> {
    Arc::new(Author { session: None, user: User { id: "u".into(), name: "".into() } })
}

impl Server {
    pub(super) fn new(content: &str, broken: Option<Broken>) -> Self {
        let mut server = Server { log: Vec::new(), broken, forgotten: 0 };
        let op = TextOp::splice(0, 0, 0, content).expect("an insert");
        let edit = Edit { base: Version::ZERO, origin: None, author: author(), may_write: true, op: Ok(op.into()) };
        server.decide(&edit);
        server
    }

    /// Who wrote what, as far as it tells one log from another.
    pub(super) fn log(&self) -> impl std::fmt::Debug + '_ {
        let lines = self.log.iter().map(|revision| (revision.origin, &revision.op));
        (lines.collect::<Vec<_>>(), self.forgotten)
    }

    pub(super) fn head(&self) -> Version {
        Version(self.log.len() as u64)
    }

    pub(super) fn text(&self, version: Version) -> Content {
        // The first revision is the beginning.
        text_of(self.log[1..version.0 as usize].iter().map(|revision| &revision.op))
    }

    pub(super) fn each_once(&self) -> bool {
        let origins: Vec<Origin> = self.log.iter().filter_map(|revision| revision.origin).collect();
        let rises = |client| {
            let seqs = origins.iter().filter(|origin| origin.client == key(client)).map(|origin| origin.seq);
            seqs.is_sorted_by(|a, b| a < b)
        };
        (0..8).all(rises)
    }

    pub(super) fn restart(&mut self) {
        if self.broken == Some(Broken::ForgetsAtRestart) {
            self.forgotten = self.log.len();
        }
    }

    fn document(&self) -> Document {
        let identity = identity();
        let genesis = Snapshot::genesis(&identity);
        let mut document = Document::new(identity, genesis);
        self.log.iter().for_each(|revision| document.advance(revision.clone()));
        document
    }

    fn taken(&self, client: usize) -> Option<Taken> {
        self.log[self.forgotten..].iter().rev().find_map(|revision| {
            let origin = revision.origin.filter(|origin| origin.client == key(client))?;
            Some(Taken { seq: origin.seq, version: revision.version })
        })
    }

    fn decide(&mut self, edit: &Edit) -> Decision {
        let mut document = self.document();
        if self.broken == Some(Broken::ForgetsAtRestart) {
            // Only what came since is known.
            document.forget_clients(|_| false);
        }
        loop {
            match document.rebase(&[], edit, Time(0), &LIMITS) {
                Ok(Decision::Granted(revision)) => {
                    self.log.push(Arc::new(revision.clone()));
                    return Decision::Granted(revision);
                }
                Ok(decision) => return decision,
                Err(Missing::Taken(client)) => {
                    let client_number = usize::from(client.0[0]);
                    document.learn(client, self.taken(client_number));
                }
                Err(Missing::History(_)) => unreachable!("the whole log is in memory"),
            }
        }
    }

    /// Takes an edit. What it became is heard of through the log, but for a repeat of what was heard of before.
    pub(super) fn edit(&mut self, client: usize, edit: EditMessage, place: Option<Version>) -> Option<ServerMessage> {
        let EditMessage { doc, version, seq, op } = edit;
        let op = op.expect("the client's ops are ops");
        let origin = Some(Origin { client: key(client), seq });
        let edit = Edit { base: version, origin, author: author(), may_write: true, op: Ok(op.into()) };
        match self.decide(&edit) {
            Decision::Granted(_) => None,
            Decision::Repeated(version) => (Some(version) <= place).then(|| self.ack(version, seq)),
            Decision::Refused(refusal) => {
                let code = variorum::protocol::Code::from(&refusal);
                Some(ServerMessage::Refused { doc, seq, code, message: refusal.to_string() })
            }
        }
    }

    /// The places up to which a reader may be told at once: never past its own edit, which comes by itself.
    pub(super) fn stops(&self, client: usize, place: Version) -> impl Iterator<Item = Version> + use<> {
        let own = |revision: &Arc<Revision>| revision.origin.is_some_and(|origin| origin.client == key(client));
        let ahead = &self.log[place.0 as usize..];
        let first_own = ahead.iter().position(own);
        let most = match first_own {
            Some(0) => 1,
            Some(others) if self.broken != Some(Broken::SwallowsOwn) => others,
            _ => ahead.len(),
        };
        (1..=most as u64).map(move |more| Version(place.0 + more))
    }

    /// What a reader at a place is told when it is brought to another.
    pub(super) fn tell(&self, client: usize, place: Version, to: Version) -> ServerMessage {
        let revision = &self.log[place.0 as usize];
        match revision.origin {
            Some(origin) if origin.client == key(client) => self.ack(revision.version, origin.seq),
            _ => ServerMessage::Revision { doc: id(), item: self.item(place, to) },
        }
    }

    fn ack(&self, version: Version, seq: Seq) -> ServerMessage {
        let revision = &self.log[version.0 as usize - 1];
        ServerMessage::Ack { doc: id(), seq, version, chain: revision.chain, time: revision.time }
    }

    /// `(from, to]` as one.
    fn item(&self, from: Version, to: Version) -> RevisionItem {
        let revisions = &self.log[from.0 as usize..to.0 as usize];
        if let [one] = revisions {
            return RevisionItem::of(one);
        }
        let mut stretch = Stretch::join_all(revisions.iter().map(|one| Stretch::of(one)).collect()).expect("not empty");
        if self.broken == Some(Broken::LosesOrder) {
            let ops = revisions.iter().map(|one| one.op.clone());
            stretch.op = ops.reduce(|a, b| a.compose_typing(&b).expect("they follow each other")).expect("not empty");
        }
        RevisionItem::composed(&stretch)
    }

    /// Answers an `open`: with the content, or with what was missed, where the edit of unknown fate comes by itself.
    pub(super) fn open(&self, client: usize, open: &Open, missed: Missed) -> ServerMessage {
        let head = self.head();
        let taken = self.taken(client);
        let revisions = open.from.as_ref().map(|from| {
            let swallowed = self.broken == Some(Broken::SwallowsOwn);
            let pending =
                taken.filter(|taken| Some(taken.seq) == open.pending && taken.version > from.version && !swallowed);
            let mut items = Vec::new();
            let mut lead = |from: Version, to: Version| match missed {
                Missed::Singly => items.extend((from.0..to.0).map(|at| self.item(Version(at), Version(at + 1)))),
                Missed::Composed if from < to => items.push(self.item(from, to)),
                Missed::Composed => {}
            };
            match pending {
                None => lead(from.version, head),
                Some(Taken { version, .. }) => {
                    lead(from.version, Version(version.0 - 1));
                    lead(version, head);
                    let own = RevisionItem::own(&self.log[version.0 as usize - 1]);
                    let place = items.iter().take_while(|item| item.version < version).count();
                    items.insert(place, own);
                }
            }
            items
        });
        let content = revisions.is_none().then(|| self.text(head).to_string());
        let last = self.log.last().map_or(Chain(0), |last| last.chain);
        ServerMessage::Opened {
            doc: id(),
            kind: "text".into(),
            epoch: identity().epoch.to_string(),
            version: head,
            chain: last,
            access: Access::Write,
            taken: taken.map(|taken| TakenView { seq: taken.seq, version: taken.version }),
            presence: PresenceView { count: 1, joined: Vec::new(), left: Vec::new(), states: Vec::new() },
            content,
            reset: None,
            revisions,
        }
    }
}

const _: () = assert!(!BEGINNING.is_empty(), "the first revision makes the beginning");
