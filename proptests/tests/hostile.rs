//! Strangers, broken logs and broken code harm nobody but themselves.
//!
//! `cargo run --release -p proptests -- hostile` is the same at length.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptests::faulty::{Call, Fate, Faulty};
use proptests::hostile::{self, Plan, TARGETS};
use proptests::live::Server;
use proptests::scribe::Scribe;
use serde_json::json;
use variorum::document::{Revision, Version};
use variorum::limits::Limits;
use variorum::ot::TextOp;
use variorum::store::{Created, MemoryStore, Store};

#[test]
fn no_bytes_break_a_parser() {
    for (name, target) in TARGETS {
        let run = hostile::run(name, target, 35_000, 1);
        println!("{name}: {run:?}");
        assert!(run.taken * 20 > run.tried, "{name}: too little gets past the first check to say much: {run:?}");
    }
}

#[test]
fn no_bytes_break_a_request() {
    let run = hostile::run_requests(5_000, 1);
    println!("{run:?}");
    assert!(run.taken * 2 > run.tried, "most requests are answered: {run:?}");
}

/// The bar is twice the innocent's quiet p99. Here a pause of the machine's is allowed for: a run this short, beside other
/// tests, measures the machine too.
const PAUSE: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cost_an_innocent_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan { seed: 1, frames: 20_000, rounds: 4, per_second: Some(2_000), calm: 100 };
    let siege = hostile::besiege(env!("CARGO_BIN_EXE_proptests"), directory.path(), plan).await;
    println!("{siege:?}");
    let frames = siege.attack.sent - siege.attack.requests;
    assert!(siege.attack.messages * 2 > frames, "half of the frames get past the parser: {siege:?}");
    assert!(siege.attacked.1 <= siege.calm.1 * 2 + PAUSE, "the innocent had to wait: {siege:?}");
}

/// A log whose record is sound and whose op does not fit the text: written by a fault, not damaged later.
#[tokio::test]
async fn a_poisoned_log_is_damage_by_name_and_harms_nobody_else() {
    let store = Arc::new(MemoryStore::new());
    let mut scribe = Scribe::new("poisoned", 1);
    let Created::New(document) = store.create(scribe.identity().clone(), None).await.unwrap() else {
        panic!("it is new");
    };
    let mut revisions = scribe.edits(3);
    let poison = TextOp::splice(1_000, 10, 3, "poison").unwrap();
    revisions[2] = Arc::new(Revision { op: poison, ..(*revisions[2]).clone() });
    store.append(document, Version::ZERO, revisions).await.unwrap();
    let server = Server::with(store, Limits::default()).await;
    let mut ana = server.client("ana").await;
    ana.open("sound", "abc").await;
    // Again and again, as clients that come back do: each time an answer, and the connection stays.
    for _ in 0..3 {
        ana.say(json!({"type": "open", "doc": "poisoned"})).await;
        let error = ana.hears("error").await;
        assert_eq!((&error["code"], &error["doc"]), (&json!("document_damaged"), &json!("poisoned")), "{error}");
        assert!(error["message"].as_str().unwrap().contains("version 3"), "it says where: {error}");
        let read = server.http("GET", "/v1/docs/poisoned", &[], "").await;
        assert_eq!((read.status, read.code().as_str()), (503, "document_damaged"));
    }
    ana.edited("sound", 1, 1, json!([3, "d"])).await;
    server.stop().await;
}

#[tokio::test]
async fn a_document_whose_authority_fails_is_closed_and_opened_anew_and_others_go_on() {
    let breaks = Arc::new(AtomicBool::new(false));
    let fate = {
        let breaks = breaks.clone();
        move |call| {
            let now = call == Call::Append && breaks.swap(false, Ordering::Relaxed);
            assert!(!now, "the test breaks the authority that appends");
            Fate::Done
        }
    };
    let server = Server::with(Faulty::new(fate), Limits::default()).await;
    let (mut ana, mut ben) = (server.client("ana").await, server.client("ben").await);
    let opened = ana.open("fragile", "abc").await;
    ben.open("fragile", "").await;
    ben.open("other", "x").await;
    breaks.store(true, Ordering::Relaxed);
    ana.edit("fragile", 1, 1, json!([3, "d"])).await;
    for reader in [&mut ana, &mut ben] {
        let closed = reader.hears("closed").await;
        assert_eq!((&closed["doc"], &closed["code"]), (&json!("fragile"), &json!("internal")), "{closed}");
    }
    ben.edited("other", 1, 1, json!([1, "y"])).await;
    // It is opened anew from its log, and the edit whose fate was unknown is taken once.
    let from = json!({"epoch": opened["epoch"], "version": 1, "chain": opened["chain"]});
    ana.say(json!({"type": "open", "doc": "fragile", "from": from, "pending": 1})).await;
    let again = ana.hears("opened").await;
    assert_eq!((&again["version"], &again["taken"]), (&json!(1), &json!(null)), "{again}");
    assert_eq!(ana.edited("fragile", 1, 1, json!([3, "d"])).await["version"], 2);
    server.stop().await;
}
