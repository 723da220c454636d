//! What the server says of the past is what applying every revision in turn says: content, diff, blame, history and search
//! of every version, over both stores, folded or not, after a restart, and with its derived rows lost.

use std::sync::Arc;

use proptests::fold::{Fold, places_of};
use proptests::live::{Server, history};
use proptests::scribe::Scribe;
use proptests::versions::{Past, recording};
use proptests::{Source, cases};
use serde_json::json;
use variorum::document::{Author, Chain, ChainKey, DocumentId, Epoch, Identity, Kind, Revision, Time, User, Version};
use variorum::limits::Limits;
use variorum::replay::{Target, replay};
use variorum::store::{BranchPoint, Created, MemoryStore, SqliteOptions, SqliteStore, Store, verify};

fn identity(doc: &DocumentId) -> Identity {
    Identity {
        id: doc.clone(),
        kind: Kind::Text,
        epoch: Epoch([7; 16]),
        key: ChainKey([8; 16]),
        created: Time(1_700_000_000_000),
    }
}

/// Writes revisions of any ops, by several hands, with pauses.
fn random_log(source: &mut Source, count: u64) -> Vec<Arc<Revision>> {
    let hands: Vec<_> =
        ["Ana", "Bo", ""].map(|name| User { id: format!("id-{name}").into(), name: name.into() }).into();
    let hands: Vec<_> = hands.into_iter().map(|user| Arc::new(Author { session: None, user })).collect();
    let key = ChainKey([8; 16]);
    let (mut len, mut time) = (0, 1_700_000_000_000);
    let mut chain = Chain(1);
    let mut author = hands[0].clone();
    let revision = |version| {
        let op = cases::op(source, len);
        len = variorum::ot::Op::target_len(&op);
        time += *source.pick(&[0, 0, 1, 3, 999, 400_000]);
        if source.once_in(4) {
            author = source.pick(&hands).clone();
        }
        let mut revision =
            Revision { version: Version(version), op, author: author.clone(), origin: None, time: Time(time), chain };
        revision.chain = revision.chain_after(chain, &key);
        chain = revision.chain;
        Arc::new(revision)
    };
    (1..=count).map(revision).collect()
}

/// Puts a log into a store.
async fn put(store: &dyn Store, identity: Identity, revisions: &[Arc<Revision>]) {
    let Created::New(document) = store.create(identity, None).await.unwrap() else { panic!("the name is taken") };
    for (chunk, at) in revisions.chunks(500).zip((0..).step_by(500)) {
        store.append(document, Version(at), chunk.to_vec()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_of_random_documents_is_what_a_fold_says() {
    let store = Arc::new(MemoryStore::new());
    let server = Server::with(store.clone(), Limits::default()).await;
    for seed in 0..40 {
        let doc = format!("random-{seed}");
        let log = random_log(&mut Source::seeded(seed), 4 + seed * 2);
        put(&*store, identity(&doc.parse().unwrap()), &log).await;
        let revisions = history(server.address, &doc).await;
        let past = Past::new(&server, &doc, format!("seed {seed}"));
        past.holds(&revisions, 1, 60).await;
        for wanted in ["a", "ab", "𝄞", "aa"] {
            assert_eq!(past.found(wanted).await, places_of(wanted, &revisions), "seed {seed}: {wanted}");
        }
    }
    server.stop().await;
}

/// The stretches of one person are those of everyone without the others', in pages of any size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_of_one_person_leaves_out_the_others() {
    let store = Arc::new(MemoryStore::new());
    let server = Server::with(store.clone(), Limits::default()).await;
    let log = random_log(&mut Source::seeded(3), 300);
    put(&*store, identity(&"d".parse().unwrap()), &log).await;
    let past = Past::new(&server, "d", "seed 3");
    let mut fold = Fold::default();
    history(server.address, "d").await.iter().for_each(|revision| fold.step(revision));
    let mut mine = fold.stretches(1_000);
    mine.retain(|stretch| stretch["user"]["name"] == "Bo");
    let (mut all, mut before) = (Vec::new(), 300);
    while before > 0 {
        let page = past.get(&format!("/history?author=id-Bo&pause_ms=1000&limit=3&before={before}")).await.json();
        all.extend(page["stretches"].as_array().unwrap().iter().cloned());
        assert!(page["before"].as_u64().unwrap() < before, "every page goes on");
        before = page["before"].as_u64().unwrap();
    }
    assert_eq!(all, mine);
    server.stop().await;
}

/// A log long enough for marked blocks of three levels and several pages of the ledger.
const LONG: u64 = 9_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_is_the_same_folded_or_not_after_a_restart_and_without_its_derived_rows() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Arc::new(SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap());
    let mut scribe = Scribe::new("long", 11);
    let log = scribe.edits(LONG);
    let store = open();
    put(&*store, scribe.identity().clone(), &log[..LONG as usize - 700]).await;
    store.fold_now().await;
    let document = store.find(&scribe.identity().id).await.unwrap().unwrap().incarnation;
    // The newest part stays in the journal, with a block that is neither here nor there. The newest commit of all, which
    // the journal never lets go of, is one revision.
    store.append(document, Version(LONG - 700), log[LONG as usize - 700..LONG as usize - 1].to_vec()).await.unwrap();
    store.append(document, Version(LONG - 1), log[LONG as usize - 1..].to_vec()).await.unwrap();
    let server = Server::with(store, Limits::default()).await;
    let revisions = history(server.address, "long").await;
    Past::new(&server, "long", "half folded").holds(&revisions, 301, 100).await;
    server.stop().await;

    let rows = || {
        let conn = rusqlite::Connection::open(directory.path().join("variorum.db")).unwrap();
        ["marks", "ledger"].map(|table| {
            let sql = format!("SELECT count(*) FROM {table}");
            conn.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64
        })
    };
    // 64, 512, 4,096; and pages of 2,048.
    let all = [LONG / 64 + LONG / 512 + LONG / 4096, LONG / 2048];
    assert_eq!(rows(), all);
    let harm = |sql: &str| {
        rusqlite::Connection::open(directory.path().join("variorum.db")).unwrap().execute_batch(sql).unwrap();
    };
    let damage = "UPDATE marks SET body = x'00112233445566' WHERE place % 2 = 0;
        UPDATE ledger SET body = substr(body, 1, 40) WHERE page = 1";
    for sql in ["DELETE FROM marks; DELETE FROM ledger", damage, "DELETE FROM blocks; DELETE FROM snapshots"] {
        harm(sql);
        let server = Server::with(open(), Limits::default()).await;
        Past::new(&server, "long", sql).holds(&revisions, 1_501, 40).await;
        server.stop().await;
        assert_eq!(rows(), all, "they are made again: {sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_of_a_recorded_session_of_two_is_what_a_fold_says() {
    let server = Server::start().await;
    match recording("friendsforever") {
        Some(trace) => {
            let target =
                Target { url: server.url(), token: None, doc: "d".parse().unwrap(), again: false, batch: false };
            replay(Arc::new(trace), &target, || {}).await.unwrap();
        }
        None => {
            let mut ana = server.client("ana").await;
            ana.open("d", "").await;
            for n in 0..2_000 {
                ana.edited("d", n, n + 1, json!(if n == 0 { json!(["x"]) } else { json!([n, "y"]) })).await;
            }
        }
    }
    let revisions = history(server.address, "d").await;
    Past::new(&server, "d", "friendsforever").holds(&revisions, 97, 2_000).await;
    server.stop().await;
}

/// A branch begins within a block, and within a page of the ledger; then what it need not have of its parent is pruned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_of_a_branch_is_its_parents_and_then_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap());
    let mut parent = Scribe::new("parent", 21);
    let mut log = parent.edits(2_300);
    let mut branch = parent.branch("branch", 22);
    log.extend(parent.edits(700));
    put(&*store, parent.identity().clone(), &log).await;
    let document = store.find(&parent.identity().id).await.unwrap().unwrap().incarnation;
    let begins = BranchPoint { parent: document, version: Version(2_300) };
    let made = store.create_branch(branch.identity().clone(), begins).await.unwrap();
    let Created::New(twig) = made else { panic!("{made:?}") };
    store.append(twig, Version(2_300), branch.edits(2_000)).await.unwrap();
    let folded = store.clone();
    let server = Server::with(store, Limits::default()).await;
    let revisions = history(server.address, "branch").await;
    assert_eq!(revisions.len(), 4_300);
    Past::new(&server, "branch", "unfolded").holds(&revisions, 301, 60).await;
    folded.fold_now().await;
    Past::new(&server, "branch", "folded").holds(&revisions, 301, 60).await;

    for version in [900, 2_047] {
        let label = json!({"version": version}).to_string();
        assert_eq!(server.http("PUT", &format!("/v1/docs/branch/labels/v{version}"), &[], &label).await.status, 201);
    }
    let pruned = server.http("POST", "/v1/docs/parent/prune", &[], r#"{"keep": "labels"}"#).await.json();
    assert_eq!((&pruned["oldest"], &pruned["labelled"]), (&json!(2_048), &json!([900, 2_047])));
    let past = Past::new(&server, "branch", "pruned");
    let mut fold = Fold::default();
    for revision in &revisions {
        fold.step(revision);
        let version = fold.version();
        if [900, 2_047].contains(&version) || (version >= 2_048 && version % 301 == 0) {
            past.version(&fold).await;
            fold.keep();
        }
    }
    for from in fold.kept() {
        for to in fold.kept() {
            past.diff(&fold, from, to).await;
        }
    }
    assert_eq!(past.stretches(1_000, 50).await, fold.stretches(1_000));
    server.stop().await;
    drop(folded);
    let mut problems = Vec::new();
    verify(directory.path(), &mut |problem| problems.push(problem.to_string())).unwrap();
    assert_eq!(problems, [""; 0]);
}
