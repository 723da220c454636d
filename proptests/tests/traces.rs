//! Recorded editing sessions end in the text they ended in, on every client and on the server, over both stores and after a
//! restart.
//!
//! The recordings are read from `../shared/traces` beside the repository, where that is; a generated session of each sort is
//! played always. `VARIORUM_TRACES=full` plays the recordings whole that are cut short otherwise.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptests::live::Server;
use serde_json::{Value, json};
use variorum::document::Version;
use variorum::limits::Limits;
use variorum::ot::{Content, Op, TextOp};
use variorum::replay::{Target, Trace, compare, replay};
use variorum::store::{SqliteOptions, SqliteStore, Store};

fn recording(name: &str) -> Option<Trace> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let file: PathBuf = folder.join(format!("{name}.json.gz"));
    if !file.exists() {
        println!("{} is not there", file.display());
        return None;
    }
    Some(Trace::read(&file).unwrap())
}

/// The beginning of a recording of one person, unless everything is asked for.
fn beginning(trace: Trace, transactions: usize) -> Trace {
    match std::env::var("VARIORUM_TRACES").is_ok_and(|wish| wish == "full") {
        true => trace,
        false => trace.first(transactions).unwrap(),
    }
}

fn target(server: &Server) -> Target {
    Target { url: server.url(), token: None, doc: "trace".parse().unwrap(), again: false, batch: false }
}

/// Plays a trace as it is and with astral characters, on the memory store.
async fn plays(trace: Trace) {
    for trace in [trace.clone().astral(), trace] {
        let server = Server::start().await;
        let report = replay(Arc::new(trace.clone()), &target(&server), || {}).await.unwrap();
        assert!(report.version <= Version(trace.transactions() as u64 + 1), "a revision is a transaction");
        println!("{report:?}");
        server.stop().await;
    }
}

/// Plays a trace on the directory store, and compares again after a restart.
async fn plays_durably(trace: Trace) {
    let directory = tempfile::tempdir().unwrap();
    let open =
        || -> Arc<dyn Store> { Arc::new(SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap()) };
    let trace = Arc::new(trace);
    let server = Server::with(open(), Limits::default()).await;
    let report = replay(trace.clone(), &target(&server), || {}).await.unwrap();
    println!("{report:?}");
    server.stop().await;
    let server = Server::with(open(), Limits::default()).await;
    assert_eq!(compare(&trace, &target(&server)).await.unwrap(), report.version);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_who_wrote_at_the_same_time_end_in_their_text() {
    let Some(trace) = recording("friendsforever") else { return };
    plays(trace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_who_wrote_at_the_same_time_end_in_their_text_after_a_restart() {
    let Some(trace) = recording("friendsforever") else { return };
    plays_durably(trace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_with_several_cursors_ends_in_its_text() {
    let Some(trace) = recording("sveltecomponent") else { return };
    plays(trace.clone()).await;
    plays_durably(beginning(trace, 4_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_article_of_weeks_ends_in_its_text() {
    let Some(trace) = recording("seph-blog1") else { return };
    plays(beginning(trace.clone(), 20_000)).await;
    plays_durably(beginning(trace, 4_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_on_without_waiting_ends_in_the_same_text_with_fewer_revisions() {
    let trace = recording("sveltecomponent").unwrap_or_else(|| sequential(5_000)).first(5_000).unwrap();
    let server = Server::start().await;
    let target = Target { batch: true, ..target(&server) };
    let report = replay(Arc::new(trace), &target, || {}).await.unwrap();
    assert!(report.version < Version(5_000), "{report:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_sessions_end_in_their_text() {
    for trace in [sequential(2_000), concurrent(4_000)] {
        plays(trace.clone()).await;
        plays_durably(trace).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_is_not_the_recordings_end_is_said() {
    let mut trace = sequential(10);
    trace.end.push('!');
    let server = Server::start().await;
    let failure = replay(Arc::new(trace), &target(&server), || {}).await.unwrap_err();
    assert!(failure.to_string().contains("differs from the recording's end: from character"), "{failure}");
    let again = replay(Arc::new(sequential(10)), &target(&server), || {}).await.unwrap_err();
    assert!(again.to_string().contains("was written to before"), "{again}");
    let target = Target { again: true, ..target(&server) };
    let report = replay(Arc::new(sequential(10)), &target, || {}).await.unwrap();
    // What the first one left: its beginning and ten transactions; then the emptying, and ten again.
    assert_eq!(report.version, Version(1 + 10 + 1 + 10));
    server.stop().await;
}

/// Numbers that look random and are the same every time.
fn dice() -> impl FnMut(u64) -> u64 {
    let mut state = 7_u64;
    move |bound| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    }
}

/// A patch within `len` characters from `from` on: mostly a letter typed, now and then something deleted.
fn patch(dice: &mut impl FnMut(u64) -> u64, from: u64, len: u64) -> (u64, u64, String) {
    const LETTERS: [&str; 6] = ["e", "n", "é", "\u{1D452}", " ", "the"];
    let at = dice(len + 1);
    let deleted = if dice(4) == 0 { dice(len - at + 1).min(3) } else { 0 };
    (from + at, deleted, LETTERS[dice(6) as usize].to_owned())
}

/// One person, several patches now and then.
fn sequential(transactions: usize) -> Trace {
    let mut dice = dice();
    let mut content = Content::from("begin ");
    let mut txns = Vec::new();
    for _ in 0..transactions {
        let mut patches = Vec::new();
        for _ in 0..=dice(10) / 9 {
            let patch = patch(&mut dice, 0, content.len());
            TextOp::splice(content.len(), patch.0, patch.1, &patch.2).unwrap().apply(&mut content).unwrap();
            patches.push(json!([patch.0, patch.1, patch.2]));
        }
        txns.push(json!({ "patches": patches }));
    }
    parse(json!({"startContent": "begin ", "endContent": content.to_string(), "txns": txns}))
}

/// A person of a generated session: what they see, and what the others did meanwhile.
struct Person {
    view: Content,
    unseen: Vec<(usize, TextOp)>,
    /// The transactions that what they see comes from.
    parents: [Option<usize>; 2],
}

/// Two people, each between brackets of their own, so that no order of events puts two insertions at one place.
fn concurrent(transactions: usize) -> Trace {
    const START: &str = "[0 ]\n[1 ]\n";
    let mut dice = dice();
    let mut people = [0, 1].map(|_| Person { view: START.into(), unseen: Vec::new(), parents: [None; 2] });
    let mut content = Content::from(START);
    let mut txns = Vec::new();
    for place in 0..transactions {
        let agent = dice(2) as usize;
        let person = &mut people[agent];
        let seen = if dice(3) == 0 { dice(person.unseen.len() as u64 + 1) as usize } else { 0 };
        for (other, op) in person.unseen.drain(..seen) {
            op.apply(&mut person.view).unwrap();
            person.parents[1 - agent] = Some(other);
        }
        let text = person.view.to_string();
        let find = |bracket: &str| text.chars().position(|c| c.to_string() == bracket).unwrap() as u64;
        let (from, to) = match agent {
            0 => (find("[") + 1, find("]")),
            _ => (find("\n") + 2, text.chars().count() as u64 - 2),
        };
        let (at, deleted, inserted) = patch(&mut dice, from, to - from);
        let parents: Vec<usize> = person.parents.into_iter().flatten().collect();
        txns.push(json!({"agent": agent, "parents": parents, "patches": [[at, deleted, inserted]]}));
        let mut op = TextOp::splice(person.view.len(), at, deleted, &inserted).unwrap();
        op.apply(&mut person.view).unwrap();
        for (_, unseen) in &mut person.unseen {
            (op, *unseen) = TextOp::transform(&op, unseen).unwrap();
        }
        person.parents[agent] = Some(place);
        op.apply(&mut content).unwrap();
        people[1 - agent].unseen.push((place, op));
    }
    let end = content.to_string();
    parse(json!({"kind": "concurrent", "startContent": START, "endContent": end, "numAgents": 2, "txns": txns}))
}

fn parse(trace: Value) -> Trace {
    Trace::parse(trace.to_string().as_bytes()).unwrap()
}
