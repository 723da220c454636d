//! A writer that is alone with its documents: fills them with history, one edit after another, and asks for them as someone
//! does who comes back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use super::Failure;
use super::line::{Line, PATH};
use crate::client::Identity;
use crate::document::{DocumentId, Seq};
use crate::ot::{Content, Op, TextOp};
use crate::protocol::{ClientMessage, Create, EditMessage, Hello, Open, PROTOCOL, Place, RevisionItem, ServerMessage};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection, and what it hears.
pub(super) struct Scribe {
    line: Rc<Line>,
    heard: mpsc::UnboundedReceiver<Result<String, String>>,
    listener: JoinHandle<()>,
    /// Of the last edit. There is one document that it writes to.
    seq: u64,
}

/// A place in a document's history and the text there.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) place: Place,
    pub(super) text: Content,
}

/// What a server answered to `open`, and what that took.
pub(super) struct Opened {
    pub(super) kept: Kept,
    pub(super) bytes: usize,
    pub(super) took: Duration,
}

impl Scribe {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let line = Line::connect(address, PATH).await.map_err(|error| format!("cannot connect: {error}"))?;
        let (hear, heard) = mpsc::unbounded_channel();
        let reading = line.clone();
        let listener = spawn_local(async move {
            let why = reading.listen(|frame| drop(hear.send(Ok(frame.to_owned())))).await;
            let _ = hear.send(Err(why));
        });
        let mut scribe = Scribe { line, heard, listener, seq: 0 };
        scribe.line.say(&json(&hello()));
        scribe.hears(|message| matches!(message, ServerMessage::Welcome { .. }).then_some(())).await?;
        Ok(scribe)
    }

    fn say(&self, message: &ClientMessage) {
        self.line.say(&json(message));
    }

    async fn frame(&mut self) -> Result<String, Failure> {
        match timeout(PATIENCE, self.heard.recv()).await {
            Ok(Some(heard)) => heard,
            Ok(None) => Err("the connection has ended".into()),
            Err(_) => Err("the server does not answer".into()),
        }
    }

    /// Waits for a message, and passes over presence.
    async fn hears<T>(&mut self, mut wanted: impl FnMut(ServerMessage) -> Option<T>) -> Result<T, Failure> {
        loop {
            let frame = self.frame().await?;
            let message = serde_json::from_str(&frame).map_err(|error| format!("{error}: {frame:.80}"))?;
            match message {
                ServerMessage::Error { code, message, .. } | ServerMessage::Refused { code, message, .. } => {
                    return Err(format!("{code}: {message}"));
                }
                ServerMessage::Presence { .. } => {}
                message => {
                    if let Some(found) = wanted(message) {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Opens a document, made with this text if it is not there.
    pub(super) async fn open(&mut self, doc: &DocumentId, text: &str) -> Result<Opened, Failure> {
        self.opened(Open { doc: doc.clone(), create: Some(Create::text(text)), from: None, pending: None }, None).await
    }

    /// Opens a document from a place in its history.
    pub(super) async fn resume(&mut self, doc: &DocumentId, kept: &Kept) -> Result<Opened, Failure> {
        let open = Open { doc: doc.clone(), create: None, from: Some(kept.place.clone()), pending: None };
        self.opened(open, Some(kept.text.clone())).await
    }

    async fn opened(&mut self, open: Open, text: Option<Content>) -> Result<Opened, Failure> {
        let (before, asked) = (self.line.received.get(), Instant::now());
        self.say(&ClientMessage::Open(open));
        let (took, opened) = self
            .hears(|message| matches!(message, ServerMessage::Opened { .. }).then_some((asked.elapsed(), message)))
            .await?;
        let ServerMessage::Opened { epoch, version, chain, content, revisions, .. } = opened else {
            return Err("not the answer to open".into());
        };
        let text = match (content, revisions, text) {
            (Some(content), _, _) => Content::from(content.as_str()),
            (None, Some(missed), Some(text)) => follow(text, &missed)?,
            _ => return Err("the answer to open has neither content nor revisions".into()),
        };
        let place = Place { epoch, version, chain: chain.to_string() };
        let bytes = (self.line.received.get() - before) as usize;
        Ok(Opened { kept: Kept { place, text }, bytes, took })
    }

    /// Closes a document.
    pub(super) async fn close(&mut self, doc: &DocumentId) -> Result<(), Failure> {
        self.say(&ClientMessage::Close { doc: doc.clone() });
        self.hears(|message| matches!(message, ServerMessage::Closed { .. }).then_some(())).await
    }

    /// Makes edits, each of the text that the one before leaves. Answers the places after as many edits as `keep` names, and
    /// the last.
    pub(super) async fn write(
        &mut self,
        doc: &DocumentId,
        mut kept: Kept,
        edits: impl Iterator<Item = TextOp>,
        keep: &[u64],
    ) -> Result<(BTreeMap<u64, Kept>, Kept), Failure> {
        let mut places = BTreeMap::new();
        for (op, made) in edits.zip(1..) {
            op.apply(&mut kept.text).map_err(|mismatch| mismatch.to_string())?;
            self.seq += 1;
            let (version, seq) = (kept.place.version, Seq(self.seq));
            self.say(&ClientMessage::Edit(EditMessage { doc: doc.clone(), version, seq, op: Ok(op) }));
            let ack = |message| match message {
                ServerMessage::Ack { version, chain, .. } => Some((version, chain)),
                _ => None,
            };
            let (version, chain) = self.hears(ack).await?;
            if version != kept.place.version.next() {
                return Err(format!("edit {made} of {doc} was acknowledged as version {version}"));
            }
            kept.place = Place { version, chain: chain.to_string(), ..kept.place };
            if keep.contains(&made) {
                places.insert(made, kept.clone());
            }
        }
        Ok((places, kept))
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The text after what was missed.
fn follow(mut text: Content, missed: &[RevisionItem]) -> Result<Content, Failure> {
    missed.iter().try_for_each(|item| item.op.apply(&mut text)).map_err(|mismatch| mismatch.to_string())?;
    Ok(text)
}

/// A reader that opens a document and reads nothing afterwards. Its connection lasts as long as this.
pub(super) struct Stopped {
    _line: Rc<Line>,
}

impl Stopped {
    pub(super) async fn open(address: SocketAddr, doc: &DocumentId) -> Result<Self, Failure> {
        let line = Line::connect_narrow(address, PATH).await.map_err(|error| format!("cannot connect: {error}"))?;
        line.say(&json(&hello()));
        line.say(&json(&ClientMessage::Open(Open { doc: doc.clone(), create: None, from: None, pending: None })));
        Ok(Stopped { _line: line })
    }
}

fn hello() -> ClientMessage {
    let Identity { client, .. } = Identity::random();
    ClientMessage::Hello(Hello { protocol: PROTOCOL, client, token: None, name: Some("scribe".into()), person: None })
}

fn json(message: &ClientMessage) -> String {
    serde_json::to_string(message).expect("every message of ours is JSON")
}
