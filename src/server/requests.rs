//! What a client asks for on its socket, message by message.

use std::net::IpAddr;
use std::sync::Arc;

use super::Server;
use super::access::{Asks, Denied};
use super::deliveries::{Failure, OpenDocument, everyone, failure, item};
use super::hello::Ending;
use super::session::{Done, Ended, Session};
use crate::document::{Author, ClientKey, DocumentId, Edit, Kind, Origin, Place, Refusal, SentOp, Seq};
use crate::hub::{Body, Creation, Following, OpenError, PresenceState, Reset, Signal, Token};
use crate::limits::named;
use crate::protocol::{
    Access, Check, ClientMessage, Code, EditMessage, Malformed, Open, PresenceMessage, ServerMessage, TakenView, close,
};

/// What became of an `open`.
pub(super) struct Opening {
    id: DocumentId,
    token: Token,
    may_write: bool,
    /// The client said how to make the document, and why it is not made so where it is not there.
    not_made: Option<(Code, String)>,
    following: Result<Following, Failure>,
}

/// Weight in bytes from which an edit is answered before anything more is read: 64 of the heaviest would wait with 256 MiB.
const HEAVY: usize = 256 << 10;

impl Session {
    pub(super) fn receive(&mut self, text: &str) -> Result<(), Ended> {
        let message = ClientMessage::parse(text);
        if let Some(limit) = self.pace.count(message.as_ref().ok(), text.len(), &self.server.limits) {
            self.server.metrics.limit_hit(limit);
        }
        let message = match message {
            Ok(message) => message,
            Err(malformed) => return self.malformed(malformed),
        };
        let asks = Asks::message(&message);
        if let Err(denied) = self.caller.ask(asks, self.server.hub.world().now()) {
            return self.denied(denied, &message);
        }
        match message {
            ClientMessage::Edit(edit) => self.edit(edit),
            ClientMessage::Open(open) => self.open(open),
            ClientMessage::Presence(presence) => self.presence(presence),
            ClientMessage::Check(check) => self.check(check),
            ClientMessage::Close { doc } => self.close(&doc),
            ClientMessage::Ping => self.say(&ServerMessage::Pong),
            ClientMessage::Hello(_) => self.error(Code::BadMessage, "hello was already said", "hello", None),
        }
    }

    /// Without a good token the connection ends; what a good one does not give is said.
    fn denied(&mut self, denied: Denied, message: &ClientMessage) -> Result<(), Ended> {
        match denied.code {
            Code::Unauthorized => Err(Some(denied.into())),
            code => self.error(code, denied.message, message.name(), message.document()),
        }
    }

    fn malformed(&mut self, malformed: Malformed) -> Result<(), Ended> {
        let Malformed { code, message, doc, seq, reply_to, ends } = malformed;
        if ends {
            return Err(Some(Ending::new(close::BAD_MESSAGE, Some(code), message)));
        }
        self.say(&ServerMessage::Error { code, message, doc, seq, reply_to, retry_ms: None })
    }

    fn error(
        &mut self,
        code: Code,
        message: impl Into<String>,
        reply_to: &str,
        doc: Option<&DocumentId>,
    ) -> Result<(), Ended> {
        self.say(&ServerMessage::Error {
            code,
            message: message.into(),
            doc: doc.map(DocumentId::to_string),
            seq: None,
            reply_to: Some(reply_to.to_owned()),
            retry_ms: None,
        })
    }

    fn not_open(&mut self, doc: &DocumentId, seq: Option<Seq>, reply_to: &str) -> Result<(), Ended> {
        self.say(&ServerMessage::Error {
            code: Code::NotOpen,
            message: format!("document {doc} is not open on this connection"),
            doc: Some(doc.to_string()),
            seq: seq.map(|seq| seq.0),
            reply_to: Some(reply_to.to_owned()),
            retry_ms: None,
        })
    }

    fn open(&mut self, open: Open) -> Result<(), Ended> {
        let Open { doc: id, create, from, pending } = open;
        // Opened anew: the stream of before ends here.
        if let Some(token) = self.documents.by_id.remove(&id) {
            self.documents.open.remove(&token);
        }
        let (open, most) = (self.documents.open.len(), self.server.limits.documents_per_connection);
        if open >= most {
            self.server.metrics.limit_hit(named::documents_per_connection);
            let message = format!("{open} documents are open on this connection, at most {most} may be");
            return self.error(Code::TooManyDocuments, message, "open", Some(&id));
        }
        let may_write = self.caller.may_write(&id);
        // A document that is there is opened, whatever the client would have made.
        let (creation, not_made) = match create.map(|create| (create.kind.parse::<Kind>(), create)) {
            None => (None, None),
            Some((Err(unknown), _)) => (None, Some((Code::UnsupportedKind, unknown.to_string()))),
            Some(_) if !may_write => {
                let message = format!("there is no document {id}, and this access may not make it");
                (None, Some((Code::ReadOnly, message)))
            }
            Some((Ok(kind), create)) => {
                let content = create.content.unwrap_or_default();
                (Some(Creation { kind, content, author: self.author.clone() }), None)
            }
        };
        let token = self.documents.next;
        self.documents.next += 1;
        let reader = Reader {
            author: self.author.clone(),
            client: self.entered.client,
            bell: (self.entered.standing.signal.clone(), token),
            place: from.map(|place| place.known()),
            pending,
        };
        let (server, address) = (self.server.clone(), self.address);
        self.work = Some(Box::pin(async move {
            let following = follow(&server, &id, creation, address, reader).await;
            Done::Opened(Box::new(Opening { id, token, may_write, not_made, following }))
        }));
        Ok(())
    }

    pub(super) fn opened(&mut self, opening: Opening) -> Result<(), Ended> {
        let Opening { id, token, may_write, not_made, following } = opening;
        let Following { follow, version, chain, taken, presence, body } = match following {
            Ok(following) => following,
            Err((code, message, retry_ms)) => {
                if let (Code::UnknownDocument, Some((code, message))) = (code, not_made) {
                    return self.error(code, message, "open", Some(&id));
                }
                let (doc, reply_to) = (Some(id.to_string()), Some("open".to_owned()));
                return self.say(&ServerMessage::Error { code, message, doc, seq: None, reply_to, retry_ms });
            }
        };
        let (content, reset, revisions) = match body {
            Body::Content(snapshot, reset) => (Some(snapshot.content.to_string()), reset.map(reset_name), None),
            Body::Revisions(missed) => (None, None, Some(missed.iter().map(item).collect())),
        };
        let identity = follow.live().identity();
        self.say(&ServerMessage::Opened {
            doc: id.clone(),
            kind: identity.kind.as_str().to_owned(),
            epoch: identity.epoch.to_string(),
            version,
            chain,
            access: if may_write { Access::Write } else { Access::Read },
            taken: taken.map(|taken| TakenView { seq: taken.seq, version: taken.version }),
            presence: everyone(presence),
            content,
            reset: reset.map(Into::into),
            revisions,
        })?;
        let frames = self.server.frames.of(follow.live());
        self.documents.by_id.insert(id.clone(), token);
        let document = OpenDocument { id, follow, frames, may_write, closing: false };
        self.documents.open.insert(token, Box::new(document));
        // Its bell may have rung before it stood here.
        self.todo.push_back(token);
        Ok(())
    }

    fn edit(&mut self, edit: EditMessage) -> Result<(), Ended> {
        let EditMessage { doc, version, seq, op } = edit;
        let Some(token) = self.documents.by_id.get(&doc).copied() else {
            return self.not_open(&doc, Some(seq), "edit");
        };
        let Some(document) = self.documents.open.get(&token) else { return Ok(()) };
        let edit = Edit {
            base: version,
            origin: Some(Origin { client: self.entered.client, seq }),
            author: self.author.clone(),
            may_write: document.may_write,
            op: op.map(SentOp::from).map_err(Refusal::BadOp),
        };
        let heavy = edit.op.as_ref().is_ok_and(|sent| sent.op().weight() >= HEAVY);
        let (outstanding, wait) = document.follow.submit(edit);
        if let Some(wait) = wait {
            self.work = Some(Box::pin(async move {
                wait.await;
                Done::Submitted
            }));
        }
        if outstanding >= self.server.limits.edits_outstanding || heavy {
            (self.waiting_for, self.waiting_for_all) = (Some(token), heavy);
        }
        Ok(())
    }

    fn presence(&mut self, presence: PresenceMessage) -> Result<(), Ended> {
        let PresenceMessage { doc, version, state, cursors } = presence;
        let Some(document) = self.documents.by_id.get(&doc).and_then(|token| self.documents.open.get(token)) else {
            return self.not_open(&doc, None, "presence");
        };
        let (bytes, most) = (state.as_ref().map_or(0, |state| state.len()), self.server.limits.presence_bytes);
        if bytes > most {
            self.server.metrics.limit_hit(named::presence_bytes);
            let message = format!("the state has {bytes} bytes, at most {most} are taken");
            return self.error(Code::TooLarge, message, "presence", Some(&doc));
        }
        let state = state.map(|opaque| PresenceState { version, opaque, cursors, moved: false });
        match document.follow.set_presence(version, state) {
            Ok(()) => Ok(()),
            Err(head) => {
                let message = format!("the state refers to version {version}, the document is at {head}");
                self.error(Code::VersionAhead, message, "presence", Some(&doc))
            }
        }
    }

    fn check(&mut self, check: Check) -> Result<(), Ended> {
        let Check { doc, version, sum } = check;
        let Some(document) = self.documents.by_id.get(&doc).and_then(|token| self.documents.open.get(token)) else {
            return self.not_open(&doc, None, "check");
        };
        let now = document.follow.live().now();
        if version > now.version {
            let message = format!("the check is of version {version}, the document is at {}", now.version);
            return self.error(Code::VersionAhead, message, "check", Some(&doc));
        }
        // The text has moved on; the client checks again when it is quiet.
        if version < now.version {
            return Ok(());
        }
        let right = sum == format!("{:08x}", document.frames.sum(version, || now.content.crc32()));
        self.say(&match right {
            true => ServerMessage::Checked { doc, version },
            false => ServerMessage::Diverged { doc, version },
        })
    }

    fn close(&mut self, doc: &DocumentId) -> Result<(), Ended> {
        let Some(token) = self.documents.by_id.get(doc).copied() else { return self.not_open(doc, None, "close") };
        if let Some(document) = self.documents.open.get_mut(&token) {
            document.closing = true;
        }
        // Edits sent before are still answered; `deliver` says `closed` when they are.
        self.waiting_for = Some(token);
        self.todo.push_back(token);
        Ok(())
    }
}

/// What a session brings to a document it opens.
struct Reader {
    author: Arc<Author>,
    client: ClientKey,
    bell: (Arc<Signal>, Token),
    place: Option<Place>,
    pending: Option<Seq>,
}

async fn follow(
    server: &Server,
    id: &DocumentId,
    creation: Option<Creation>,
    address: IpAddr,
    reader: Reader,
) -> Result<Following, Failure> {
    loop {
        let (live, _) = server.open(id, creation.as_ref(), address).await?;
        let Reader { author, client, bell, place, pending } = &reader;
        match live.follow(author.clone(), *client, bell.clone(), *place, *pending).await {
            // It left memory between the two lines above.
            Err(OpenError::Retired | OpenError::Deleted) => continue,
            answer => return answer.map_err(|error| failure(id, &error)),
        }
    }
}

fn reset_name(reset: Reset) -> &'static str {
    match reset {
        Reset::Epoch => "epoch",
        Reset::Ahead => "ahead",
        Reset::Pruned => "pruned",
        Reset::Chain => "chain",
    }
}
