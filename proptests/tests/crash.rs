//! No crash loses, doubles or reorders an acknowledged edit.
//!
//! A real server process over a real directory is killed without warning at random moments, while writers always have an
//! edit in flight. `VARIORUM_CRASH_ROUNDS=200 cargo test --release -p proptests --test crash` does as many rounds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptests::live::{history, http, patient, url};
use proptests::process::Process;
use tokio::task::JoinSet;
use variorum::client::{Backoff, Client, Create, Doc, Event, Identity, Options};
use variorum::document::Version;
use variorum::ot::{Content, Op, Part, TextOp};

/// Documents, and writers of each: several documents share a commit, and several writers a document.
const DOCUMENTS: u64 = 3;
const WRITERS: u64 = 4;
/// Rounds unless told otherwise.
const ROUNDS: u64 = 20;
/// Longest time between a start and the next kill.
const LIFE_MS: u64 = 400;
/// Length beyond which writers delete as much as they insert.
const LENGTH: u64 = 2_000;

/// Small, seeded and good enough to spread things out (Vigna's splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
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
    async fn begin(number: u64, address: std::net::SocketAddr) -> Self {
        let backoff = Backoff { first: Duration::from_millis(5), most: Duration::from_millis(50) };
        let options = Options { backoff, ..Options::default() };
        let client = Client::connect(&url(address), Identity::random(), options).expect("a good address");
        let id = format!("document-{}", number % DOCUMENTS).parse().expect("a good id");
        let doc = patient(client.open(id, Some(Create::text("")))).await.expect("it opens");
        Writer { number, doc, dice: Dice(number), typed: 0, acknowledged: Vec::new() }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crash_loses_doubles_or_reorders_an_acknowledged_edit() {
    let rounds = std::env::var("VARIORUM_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::start(env!("CARGO_BIN_EXE_proptests"), directory.path()).await;
    let began = Instant::now();
    let seed = std::env::var("VARIORUM_CRASH_SEED").map_or(std::process::id().into(), |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let mut dice = Dice(seed);

    let stop = Arc::new(AtomicBool::new(false));
    let writers = DOCUMENTS * WRITERS;
    let acks: Arc<[AtomicU64]> = (0..writers).map(|_| AtomicU64::new(0)).collect();
    let mut running = JoinSet::new();
    for number in 0..writers {
        let writer = Writer::begin(number, server.address).await;
        running.spawn(writer.run(stop.clone(), acks.clone()));
    }
    for round in 0..rounds {
        if round % 2 == 0 {
            // Everyone has been answered since the last crash; in the other rounds nobody may even be back.
            patient(everyone_moves_on(&acks)).await;
        }
        // A random moment is the point of the exercise.
        tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MS))).await;
        server.kill().await;
        server.restart();
    }
    stop.store(true, Ordering::Relaxed);
    let mut writers = Vec::new();
    while let Some(writer) = running.join_next().await {
        writers.push(writer.unwrap());
    }

    server.kill().await;
    server.restart();
    server.ready().await;
    let mut edits = 0;
    for document in 0..DOCUMENTS {
        let of_it: Vec<&Writer> = writers.iter().filter(|writer| writer.number % DOCUMENTS == document).collect();
        edits += check(&server, document, &of_it).await;
    }
    println!("{rounds} crashes, {edits} edits, {:.1} s", began.elapsed().as_secs_f64());
    server.kill().await;
}

async fn everyone_moves_on(acks: &[AtomicU64]) {
    let before: Vec<u64> = acks.iter().map(|acks| acks.load(Ordering::Relaxed)).collect();
    while acks.iter().zip(&before).any(|(acks, before)| acks.load(Ordering::Relaxed) == *before) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Holds a document's log and everyone's text against what its writers were told. Answers how many edits there were.
async fn check(server: &Process, document: u64, writers: &[&Writer]) -> usize {
    let id = format!("document-{document}");
    let revisions = history(server.address, &id).await;
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
    let served = http(server.address, "GET", &format!("/v1/docs/{id}/content"), &[], "").await;
    assert_eq!(served.body, text, "the server's text is what its log says");
    for writer in writers {
        patient(writer.doc.reached(Version(edits as u64))).await.expect("it catches up");
        assert_eq!(writer.doc.text().to_string(), text, "the text of writer {}", writer.number);
    }
    edits
}
