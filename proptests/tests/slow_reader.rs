//! A reader that stops costs a place in the log: not a queue, not memory, not anyone else's time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptests::live::{Raw, Server, patient, secret};
use serde_json::json;
use variorum::limits::Limits;
use variorum::store::MemoryStore;

/// A document of 100 kB, in which the writer types at the end.
const LENGTH: usize = 100_000;

/// A writer that types one character after another, as fast as it is answered.
struct Writer {
    raw: Raw,
    version: u64,
    seq: u64,
    length: usize,
}

impl Writer {
    async fn begin(server: &Server) -> Self {
        let mut raw = server.client("writer").await;
        raw.open("d", &"x".repeat(LENGTH)).await;
        Writer { raw, version: 1, seq: 0, length: LENGTH }
    }

    async fn types(&mut self) {
        self.seq += 1;
        let ack = self.raw.edited("d", self.version, self.seq, json!([self.length, "y"])).await;
        self.version = ack["version"].as_u64().expect("a version");
        self.length += 1;
    }

    /// Types until a reader of `frames` bytes each must have stopped the server's writing for lack of room.
    async fn types_many(&mut self, edits: u64) -> Duration {
        let began = Instant::now();
        for _ in 0..edits {
            self.types().await;
        }
        began.elapsed() / edits as u32
    }
}

async fn stalled(server: &Server, name: &str) -> Raw {
    let mut raw = Raw::connect_narrow(server.address).await;
    raw.hello(&secret(name), name).await;
    raw.say(json!({"type": "open", "doc": "d"})).await;
    raw.hears("opened").await;
    raw
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line for it");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<usize>().ok()).expect("a number") * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_and_reads_on_gets_what_it_missed_as_one() {
    let server = Server::start().await;
    let mut writer = Writer::begin(&server).await;
    writer.types_many(200).await;
    let mut reader = stalled(&server, "reader").await;
    let mut reached = 201;
    writer.types_many(10_000).await;
    let mut spans = Vec::new();
    while reached < writer.version {
        let revision = reader.hears("revision").await;
        let version = revision["version"].as_u64().expect("a version");
        let from = revision["from"].as_u64().unwrap_or(version - 1);
        assert_eq!(from, reached, "nothing is missed and nothing comes twice");
        reached = version;
        spans.push(version - from);
    }
    let composed: Vec<_> = spans.iter().filter(|span| **span > 1).collect();
    assert_eq!(composed.len(), 1, "one composed revision, after {} single ones", spans.len() - 1);
    assert!(**composed.first().expect("one") > 5_000, "most of it: {composed:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_readers_that_stop_cost_little_memory_and_nobody_time() {
    const STALLED: usize = 100;
    let server = Server::start().await;
    let mut writer = Writer::begin(&server).await;
    let alone = writer.types_many(2_000).await;
    let mut readers = Vec::new();
    for n in 0..STALLED {
        readers.push(stalled(&server, &format!("reader-{n}")).await);
    }
    // The first ones fill every buffer on the way; from then on the readers cost only what they hold.
    let before = resident();
    writer.types_many(3_000).await;
    let filled = resident();
    let beside = writer.types_many(2_000).await;
    let after = resident();
    let each = (filled.saturating_sub(before)) / STALLED;
    assert!(each <= 64 << 10, "{each} bytes for each reader that stopped");
    // What grows now is the log in memory; queues for a hundred readers would be 30 MB.
    assert!(after.saturating_sub(filled) < 4 << 20, "and no more as time goes on: {}", after - filled);
    // Wide bounds, for noisy machines: waiting for a reader that stopped would be far beyond them.
    assert!(beside < alone * 10 + Duration::from_millis(5), "alone {alone:?}, beside stopped readers {beside:?}");
    drop(readers);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_for_good_is_cut_and_catches_up_when_it_returns() {
    let limits = Limits { write_time: Duration::from_millis(300), ..Limits::default() };
    let server = Server::with(Arc::new(MemoryStore::new()), limits).await;
    let mut writer = Writer::begin(&server).await;
    let mut reader = stalled(&server, "reader").await;
    let now = server.http("GET", "/v1/docs/d", &[], "").await.json();
    let place = json!({"epoch": now["epoch"], "version": now["version"], "chain": now["chain"]});
    writer.types_many(3_000).await;
    // Cut without a close frame: there is no room for one. What was sent before can still be read.
    let cut = patient(async {
        loop {
            writer.types().await;
            if !is_connected(&server).await {
                break;
            }
        }
    });
    cut.await;
    assert_eq!(reader.close_code().await, None);
    let mut back = server.client("reader").await;
    back.say(json!({"type": "open", "doc": "d", "from": place})).await;
    let opened = back.hears("opened").await;
    assert_eq!(opened["version"], json!(writer.version));
    let items = opened["revisions"].as_array().expect("revisions").len();
    assert_eq!(items, 1, "what it missed comes as one");
    server.stop().await;
}

/// Whether anyone but the writer has the document open: two people are counted while the reader is connected.
async fn is_connected(server: &Server) -> bool {
    let mut probe = server.client("probe").await;
    probe.say(json!({"type": "open", "doc": "d", "from": {"epoch": "", "version": 0, "chain": ""}})).await;
    let count = probe.hears("opened").await["presence"]["count"].as_u64();
    count > Some(2)
}
