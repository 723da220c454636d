//! Writers that never stop typing, each edit with a marker of its own, and the check of what became of every one of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use variorum::client::{Backoff, Client, Create, Doc, Event, Identity, Options};
use variorum::document::Version;
use variorum::ot::{Content, Op, Part, TextOp};

use crate::live::{history, http, patient, url};
use crate::scribe::Dice;

/// Documents, and writers of each: several documents share a commit, and several writers a document.
const DOCUMENTS: u64 = 3;
const WRITERS: u64 = 4;
/// Length beyond which writers delete as much as they insert.
const LENGTH: u64 = 2_000;

/// Writers at work on the documents of one server.
pub struct Writers {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    /// How many acks each has had.
    acks: Arc<[AtomicU64]>,
    running: JoinSet<Writer>,
}

impl Writers {
    /// They begin to type.
    pub async fn begin(address: SocketAddr) -> Self {
        let writers = DOCUMENTS * WRITERS;
        let (stop, acks) = (Arc::new(AtomicBool::new(false)), (0..writers).map(|_| AtomicU64::new(0)).collect());
        let mut begun = Writers { address, stop, acks, running: JoinSet::new() };
        for number in 0..writers {
            let writer = Writer::begin(number, address).await;
            begun.running.spawn(writer.run(begun.stop.clone(), begun.acks.clone()));
        }
        begun
    }

    /// How many edits were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acks.iter().map(|acks| acks.load(Ordering::Relaxed)).sum()
    }

    /// Waits until each has had an ack since now.
    pub async fn move_on(&self) {
        let before: Vec<u64> = self.acks.iter().map(|acks| acks.load(Ordering::Relaxed)).collect();
        let waiting = || self.acks.iter().zip(&before).any(|(acks, before)| acks.load(Ordering::Relaxed) == *before);
        patient(async {
            while waiting() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// They stop typing, and wait until all that they typed is acknowledged.
    pub async fn stop(mut self) -> Stopped {
        self.stop.store(true, Ordering::Relaxed);
        let mut writers = Vec::new();
        while let Some(writer) = self.running.join_next().await {
            writers.push(writer.expect("a writer ends without a panic"));
        }
        Stopped { address: self.address, writers }
    }
}

/// Writers whose every edit was acknowledged.
pub struct Stopped {
    address: SocketAddr,
    writers: Vec<Writer>,
}

impl Stopped {
    /// Holds the log of each document and everyone's text against what the writers were told. Answers how many edits there
    /// were.
    pub async fn check(&self) -> usize {
        let mut edits = 0;
        for document in 0..DOCUMENTS {
            let of_it: Vec<&Writer> =
                self.writers.iter().filter(|writer| writer.number % DOCUMENTS == document).collect();
            edits += check(self.address, document, &of_it).await;
        }
        edits
    }
}

/// A writer that never stops typing until told.
struct Writer {
    number: u64,
    doc: Doc,
    dice: Dice,
    /// Edits typed; the seq of the last one.
    typed: u64,
    /// Version of each acknowledged edit, in order of seq.
    acknowledged: Vec<Version>,
}

/// What every edit inserts: who, and which of theirs.
fn marker(writer: u64, seq: u64) -> String {
    format!("<{writer}.{seq}>")
}

impl Writer {
    async fn begin(number: u64, address: SocketAddr) -> Self {
        let backoff = Backoff { first: Duration::from_millis(5), most: Duration::from_millis(50) };
        let options = Options { backoff, ..Options::default() };
        let client = Client::connect(&url(address), Identity::random(), options).expect("a good address");
        let id = format!("document-{}", number % DOCUMENTS).parse().expect("a good id");
        let doc = patient(client.open(id, Some(Create::text("")))).await.expect("it opens");
        Writer { number, doc, dice: Dice::new(number), typed: 0, acknowledged: Vec::new() }
    }

    fn types(&mut self) {
        self.typed += 1;
        let (marker, dice) = (marker(self.number, self.typed), &mut self.dice);
        let typed = self.doc.edit(|machine| {
            let len = machine.text().len();
            let at = dice.below(len + 1);
            let deleted = if len > LENGTH { (len - at).min(20) } else { 0 };
            TextOp::splice(len, at, deleted, &marker)
        });
        typed.expect("it is taken");
    }

    /// Types until told to stop, then waits until everything is acknowledged. One edit is in flight at every moment, and one
    /// waits in the buffer to take its place: more would be composed, and no longer be one revision each.
    async fn run(mut self, stop: Arc<AtomicBool>, acks: Arc<[AtomicU64]>) -> Self {
        let (_, mut events) = self.doc.events();
        self.types();
        self.types();
        while self.acknowledged.len() < self.typed as usize {
            match patient(events.recv()).await.expect("the client goes on") {
                Event::Acknowledged { seq, version, .. } => {
                    self.acknowledged.push(version);
                    assert_eq!(seq.0, self.acknowledged.len() as u64, "acks come in order, one for each edit");
                    acks[self.number as usize].fetch_add(1, Ordering::Relaxed);
                    if !stop.load(Ordering::Relaxed) {
                        self.types();
                    }
                }
                lost @ (Event::Reset { .. } | Event::Closed { .. }) => panic!("writer {}: {lost:?}", self.number),
                Event::Opened { .. } | Event::Changed { .. } | Event::Disconnected => {}
            }
        }
        self
    }
}

/// Holds a document's log and everyone's text against what its writers were told. Answers how many edits there were.
async fn check(address: SocketAddr, document: u64, writers: &[&Writer]) -> usize {
    let id = format!("document-{document}");
    let revisions = history(address, &id).await;
    let mut content = Content::default();
    // Which version each marker was inserted at.
    let mut inserted: HashMap<String, Version> = HashMap::new();
    for (place, revision) in revisions.iter().enumerate() {
        let version = Version(place as u64 + 1);
        assert_eq!(revision["version"], version.0, "versions have no gap");
        let op = TextOp::from_json(&revision["op"].to_string()).expect("a revision has an op");
        op.apply(&mut content).expect("each revision fits what the one before left");
        let markers: Vec<String> = op
            .parts()
            .filter_map(|part| match part {
                Part::Insert(text) => Some(text.to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(markers.len(), 1, "an edit is a revision: {markers:?} at {version}");
        for marker in markers {
            let before = inserted.insert(marker.clone(), version);
            assert_eq!(before, None, "{marker} is in the log twice, the second time at {version}");
        }
    }
    let mut edits = 0;
    for writer in writers {
        let told = &writer.acknowledged;
        assert!(told.is_sorted(), "writer {}'s edits keep their order", writer.number);
        for (seq, version) in (1..).zip(told) {
            let there = inserted.get(&marker(writer.number, seq));
            assert_eq!(there, Some(version), "edit {seq} of writer {}", writer.number);
        }
        edits += told.len();
    }
    assert_eq!(revisions.len(), edits, "nothing is in the log that nobody typed");

    let text = content.to_string();
    let served = http(address, "GET", &format!("/v1/docs/{id}/content"), &[], "").await;
    assert_eq!(served.body, text, "the server's text is what its log says");
    for writer in writers {
        patient(writer.doc.reached(Version(edits as u64))).await.expect("it catches up");
        assert_eq!(writer.doc.text().to_string(), text, "the text of writer {}", writer.number);
    }
    edits
}
