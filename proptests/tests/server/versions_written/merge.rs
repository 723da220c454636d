//! Branches and merges: both sides kept, merging again goes on, nothing merged twice, whatever fails or is written meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::{prop_assert, prop_assert_eq};
use proptests::faulty::{Call, Fate, Faulty};
use proptests::live::{self, Server, history};
use proptests::{Source, check_random, plain};
use serde_json::{Value, json};
use variorum::client::{Http, RequestError, Versions};
use variorum::document::{
    Author, ClientKey, DocumentId, Edit, Kind, MERGE_WEIGHT_MAX, Merge, MergeRun, Origin, Refusal, SentOp, Seq, User,
    Version,
};
use variorum::hub::{Branched, Creation, Hub, Live, Outcome, Settings, System};
use variorum::limits::Limits;
use variorum::metrics::Metrics;
use variorum::ot::{Op, TextOp, compose_all};
use variorum::protocol::{Code, RestoreWhat};
use variorum::store::{MemoryStore, Store};

use super::characters::{Log, Typist, agree_in_order, deleted, set, typed};
use super::writers::{fold, write_meanwhile};

/// A document and what was written on two sides of it.
struct Sides {
    base: String,
    parent: Log,
    branch: Log,
}

fn sides(source: &mut Source, typist: &mut Typist) -> Sides {
    let mut log = Log::new();
    let count = 1 + source.below(6);
    log.write(typist, source, count, 3);
    let base = log.now().to_owned();
    let begin = |text: &str| Log { revisions: Vec::new(), texts: vec![text.to_owned()] };
    let (mut parent, mut branch) = (begin(&base), begin(&base));
    let (on_parent, on_branch) = (source.below(6), 1 + source.below(6));
    parent.write(typist, source, on_parent, 3);
    branch.write(typist, source, on_branch, 3);
    Sides { base, parent, branch }
}

fn composed(log: &Log, from: usize) -> TextOp {
    let ops: Vec<TextOp> = log.revisions[from..].iter().map(|revision| revision.op.clone()).collect();
    let identity = TextOp::identity(plain::len(&log.texts[from]));
    compose_all(ops).expect("they follow one another").unwrap_or(identity)
}

/// A branch's edits from a version on, each a run of its own.
fn runs(branch: &Log, from: usize, to: usize) -> Vec<MergeRun> {
    let client = ClientKey([7; 16]);
    let run = |revision: &Arc<variorum::document::Revision>| MergeRun {
        op: revision.op.clone(),
        author: revision.author.clone(),
        origin: Origin { client, seq: Seq(revision.version.0) },
    };
    branch.revisions[from..to].iter().map(run).collect()
}

fn apply_all(ops: &[TextOp], text: &str) -> String {
    ops.iter().fold(text.to_owned(), |text, op| plain::apply(op, &text))
}

/// What either side typed and neither deleted.
fn both_sides(base: &str, parent: &str, branch: &str) -> BTreeSet<char> {
    let (base, parent, branch) = (set(base), set(parent), set(branch));
    &(&(&base & &parent) & &branch) | &(&(&parent - &base) | &(&branch - &base))
}

#[test]
fn merging_keeps_both_sides() {
    check_random(3_000, 240, |source| {
        let Sides { base, parent, branch } = sides(source, &mut Typist::new());
        let merge =
            Merge { base: Version(0), across: composed(&parent, 0), runs: runs(&branch, 0, branch.revisions.len()) };
        let (ops, bridge) = merge.moved()?;
        let merged = apply_all(&ops, parent.now());
        prop_assert_eq!(set(&merged), both_sides(&base, parent.now(), branch.now()));
        prop_assert!(agree_in_order(&merged, parent.now()) && agree_in_order(&merged, branch.now()));
        prop_assert_eq!(plain::apply(&bridge, branch.now()), merged);
        Ok(())
    });
}

#[test]
fn two_merges_in_a_row_are_one() {
    check_random(2_000, 240, |source| {
        let Sides { parent, branch, .. } = sides(source, &mut Typist::new());
        let all = branch.revisions.len();
        let first = source.below(all as u64 + 1) as usize;
        let across = composed(&parent, 0);
        let merge = |across: &TextOp, from, to| {
            Merge { base: Version(0), across: across.clone(), runs: runs(&branch, from, to) }.moved()
        };
        let (at_once, bridge) = merge(&across, 0, all)?;
        let (mut one_by_one, between) = merge(&across, 0, first)?;
        let (rest, last) = merge(&between, first, all)?;
        one_by_one.extend(rest);
        prop_assert_eq!((one_by_one, last), (at_once, bridge));
        Ok(())
    });
}

#[test]
fn what_is_too_much_for_one_append_is_not_merged() {
    let author = Arc::new(Author { session: None, user: User { id: "u".into(), name: "".into() } });
    let run = |seq: u64| {
        let op = TextOp::splice(0, 0, 0, "x").map(|op| if seq == 1 { op } else { heavy(seq - 1) });
        let origin = Origin { client: ClientKey([7; 16]), seq: Seq(seq) };
        MergeRun { op: op.expect("it fits"), author: author.clone(), origin }
    };
    // Each in the place of what the one before had put.
    fn heavy(length: u64) -> TextOp {
        let length = if length == 1 { 1 } else { 4 << 20 };
        TextOp::splice(length, 0, length, &"x".repeat(4 << 20)).expect("all of it")
    }
    let merge = |count| Merge { base: Version(0), across: TextOp::identity(0), runs: (1..=count).map(run).collect() };
    assert_eq!(merge(15).moved().map(|(ops, _)| ops.len()), Ok(15));
    let refused = merge(30).moved().expect_err("it is refused");
    let most = MERGE_WEIGHT_MAX as u64;
    assert!(matches!(refused, Refusal::TooLarge { most: allowed, .. } if allowed == most), "{refused}");
}

/// A merge of a branch without conflict is both sets of changes, whichever side is asked to go left.
#[test]
fn without_a_conflict_either_side_may_go_first() {
    check_random(2_000, 240, |source| {
        let Sides { parent, branch, .. } = sides(source, &mut Typist::new());
        let (a, b) = (composed(&parent, 0), composed(&branch, 0));
        if TextOp::conflicts(&b, &a)?.is_empty() {
            let merged = plain::apply(&b.transform_incoming(&a)?, parent.now());
            prop_assert_eq!(merged, plain::apply(&a.transform_incoming(&b)?, branch.now()));
        }
        Ok(())
    });
}

fn hub(store: Arc<dyn Store>) -> Arc<Hub> {
    let limits = Limits::default();
    let settings = Settings {
        edit_limits: limits.edit(),
        idle_timeout: limits.document_idle,
        open_documents: 1_000,
        metrics: Metrics::new(),
    };
    Hub::new(store, Arc::new(System), settings)
}

fn id(name: &str) -> DocumentId {
    name.parse().expect("a document id")
}

fn author(number: u64) -> Arc<Author> {
    Arc::new(Author { session: None, user: User { id: format!("user-{number}").into(), name: "".into() } })
}

async fn open(hub: &Arc<Hub>, name: &str) -> Arc<Live> {
    hub.open(&id(name), None).await.expect("it is there").0
}

/// A hub's document that is written by several people, and which characters came and went.
#[derive(Default)]
struct Side {
    typed: BTreeSet<char>,
    deleted: BTreeSet<char>,
}

impl Side {
    async fn write(&mut self, live: &Live, source: &mut Source, typist: &mut Typist, count: u64) {
        for _ in 0..count {
            let text = live.now().content.to_string();
            let op = typist.op(source, plain::len(&text));
            self.typed.extend(typed(&op));
            self.deleted.extend(deleted(&op, &text));
            let author = author(source.below(2));
            let edit = Edit { base: live.head(), origin: None, author, may_write: true, op: Ok(SentOp::from(op)) };
            assert!(matches!(live.submit(edit).await, Outcome::Granted(_)));
        }
    }
}

/// Merges again and again while both sides go on, over restarts, and from a branch of a branch.
async fn a_life(store: Arc<dyn Store>, seed: u64) {
    let mut source = Source::seeded(seed);
    let mut typist = Typist::new();
    let mut world = hub(store.clone());
    let creation = Creation { kind: Kind::Text, content: String::new(), author: author(0) };
    let (parent_name, branch_name) = (format!("parent-{seed}"), format!("branch-{seed}"));
    let parent = world.open(&id(&parent_name), Some(&creation)).await.expect("it opens").0;
    let (mut before, mut on_parent, mut on_branch) = (Side::default(), Side::default(), Side::default());
    let count = *source.pick(&[0, 5, 90]);
    before.write(&parent, &mut source, &mut typist, count).await;
    let begins = Version(source.below(parent.head().0 + 1));
    let base = parent.snapshot_at(begins).await.expect("it is kept").content.to_string();
    // What the parent has had since the branch began is the parent's side.
    let mut text = base.clone();
    for revision in parent.revisions(begins, parent.head()).await.expect("they are kept") {
        on_parent.typed.extend(typed(&revision.op));
        on_parent.deleted.extend(deleted(&revision.op, &text));
        text = plain::apply(&revision.op, &text);
    }
    let made = world.branch(&parent, &id(&branch_name), begins).await;
    assert!(matches!(made, Ok(Branched::New(_))), "{made:?}");
    for _ in 0..5 {
        let (parent, branch) = (open(&world, &parent_name).await, open(&world, &branch_name).await);
        assert_eq!(branch.snapshot_at(begins).await.expect("it is the parent's").content.to_string(), base);
        let (here, there) = (*source.pick(&[0, 3, 80]), *source.pick(&[0, 1, 4, 70]));
        on_parent.write(&parent, &mut source, &mut typist, here).await;
        on_branch.write(&branch, &mut source, &mut typist, there).await;
        let (head, branch_head) = (parent.head(), branch.head());
        let seen = parent.preview_merge(&branch).await.expect("it can be merged");
        assert_eq!(parent.head(), head, "a preview does nothing");
        let merged = parent.merge(&branch).await.expect("it is merged");
        assert_eq!(seen.map(|(seen, _)| seen), merged);
        let now = parent.now().content.to_string();
        let all = &(&set(&base) | &on_parent.typed) | &on_branch.typed;
        let gone = &on_parent.deleted | &on_branch.deleted;
        assert_eq!(set(&now), &all - &gone, "seed {seed}");
        assert!(agree_in_order(&now, &branch.now().content.to_string()), "seed {seed}");
        if let Some(merged) = &merged {
            assert_eq!((merged.parent.start, merged.branch.end), (head, branch_head));
            assert_eq!(merged.parent.end, parent.head());
            // One revision for each run of one author.
            let revisions = parent.revisions(head, parent.head()).await.expect("they are kept");
            let originals = branch.revisions(merged.branch.start, branch_head).await.expect("they are kept");
            let mut authors: Vec<_> = originals.iter().map(|revision| revision.author.user.clone()).collect();
            authors.dedup();
            assert_eq!(revisions.iter().map(|r| r.author.user.clone()).collect::<Vec<_>>(), authors);
        }
        // Again: nothing new, and what the last one did is still known.
        assert_eq!(parent.merge(&branch).await.expect("it answers"), None);
        let last = parent.last_merge(&branch).await.expect("it answers");
        if let (Some(merged), Some(last)) = (&merged, &last) {
            assert_eq!((last.parent.end, last.branch.end), (merged.parent.end, merged.branch.end));
        }
        if source.below(2) == 0 {
            world = hub(store.clone());
        }
    }
}

#[tokio::test]
async fn merging_again_and_again_keeps_both_sides() {
    for seed in 0..40 {
        a_life(Arc::new(MemoryStore::new()), seed).await;
    }
}

#[tokio::test]
async fn merging_again_and_again_keeps_both_sides_on_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = variorum::store::SqliteOptions::default();
    let store = Arc::new(variorum::store::SqliteStore::open(directory.path(), options).expect("it opens"));
    for seed in 40..44 {
        a_life(store.clone(), seed).await;
        store.fold_now().await;
    }
}

#[tokio::test]
async fn a_merge_whose_outcome_is_unknown_is_made_once() {
    let lost = Arc::new(AtomicBool::new(false));
    let asked = lost.clone();
    let store = Faulty::new(move |call| match call {
        Call::Append if asked.swap(false, Ordering::Relaxed) => Fate::Lost,
        _ => Fate::Done,
    });
    let world = hub(store);
    let creation = Creation { kind: Kind::Text, content: "The quick fox".into(), author: author(0) };
    let parent = world.open(&id("d"), Some(&creation)).await.expect("it opens").0;
    assert!(matches!(world.branch(&parent, &id("b"), Version(1)).await, Ok(Branched::New(_))));
    let branch = open(&world, "b").await;
    let mut source = Source::seeded(1);
    Side::default().write(&branch, &mut source, &mut Typist::new(), 9).await;
    lost.store(true, Ordering::Relaxed);
    parent.merge(&branch).await.expect_err("its outcome is unknown");
    // It was made; whoever asks again learns what it became.
    assert_eq!(parent.merge(&branch).await.expect("it answers"), None);
    assert_eq!(parent.now().content, branch.now().content);
    let last = parent.last_merge(&branch).await.expect("it answers").expect("it was merged");
    assert_eq!((last.branch.start, last.branch.end, last.parent.end), (Version(1), Version(10), parent.head()));
    // And of the next merge that alone, once the parent went on in between.
    Side::default().write(&parent, &mut source, &mut Typist::new(), 2).await;
    Side::default().write(&branch, &mut source, &mut Typist::new(), 5).await;
    let at = parent.head();
    parent.merge(&branch).await.expect("it answers").expect("there is something to merge");
    let last = parent.last_merge(&branch).await.expect("it answers").expect("it was merged");
    assert_eq!((last.branch, last.parent), (Version(10)..Version(15), at..parent.head()));
}

#[tokio::test]
async fn of_merges_asked_for_at_once_one_is_made() {
    let world = hub(Arc::new(MemoryStore::new()));
    let creation = Creation { kind: Kind::Text, content: "The quick fox".into(), author: author(0) };
    let parent = world.open(&id("d"), Some(&creation)).await.expect("it opens").0;
    assert!(matches!(world.branch(&parent, &id("b"), Version(1)).await, Ok(Branched::New(_))));
    let branch = open(&world, "b").await;
    let op = TextOp::splice(13, 13, 0, "es").expect("the end is within the document");
    let edit = Edit { base: Version(1), origin: None, author: author(1), may_write: true, op: Ok(SentOp::from(op)) };
    assert!(matches!(branch.submit(edit).await, Outcome::Granted(_)));
    // All are planned before the first is decided: none has seen the others.
    let merges = (0..3).map(|_| parent.merge(&branch));
    let merges = futures_util::future::join_all(merges).await;
    let made = merges.iter().filter(|merged| matches!(merged, Ok(Some(_)))).count();
    assert_eq!((made, parent.now().content.to_string().as_str()), (1, "The quick foxes"), "{merges:?}");
}

async fn ask(server: &Server, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = server.http(method, &format!("/v1/docs/{path}"), &[], &body).await;
    (answer.status, if answer.body.is_empty() { Value::Null } else { answer.json() })
}

#[tokio::test]
async fn a_branch_begins_at_a_version_and_goes_its_own_way() {
    let server = Server::start().await;
    ask(&server, "PUT", "d", json!({"kind": "text", "content": "The quick fox"})).await;
    ask(&server, "POST", "d/edits", json!({"version": 1, "op": [13, "."]})).await;
    let (status, made) = ask(&server, "POST", "d/branches", json!({"id": "b", "version": 1})).await;
    assert_eq!((status, &made["of"], &made["version"], &made["head"]), (201, &json!("d"), &json!(1), &json!(1)));
    assert_eq!(ask(&server, "POST", "d/branches", json!({"id": "b", "version": 1})).await, (200, made.clone()));
    let (_, at_one) = ask(&server, "GET", "d?version=1", Value::Null).await;
    let (_, begun) = ask(&server, "GET", "b", Value::Null).await;
    assert_eq!((&begun["chain"], &begun["content"]), (&at_one["chain"], &json!("The quick fox")));
    assert_ne!(begun["epoch"], at_one["epoch"]);
    let (_, zero) = ask(&server, "GET", "b?version=0", Value::Null).await;
    assert_eq!(zero["chain"], ask(&server, "GET", "d?version=0", Value::Null).await.1["chain"]);

    // Both write something else for the same word.
    ask(&server, "POST", "b/edits", json!({"version": 1, "op": [4, "brisk", -5, 4]})).await;
    ask(&server, "POST", "d/edits", json!({"version": 2, "op": [4, "fast", -5, 5]})).await;
    let (_, twig) = ask(&server, "POST", "b/branches", json!({"id": "twig"})).await;
    assert_eq!(twig["version"], 2);
    let (_, seen) = ask(&server, "POST", "d/merge", json!({"branch": "b", "preview": true})).await;
    let (status, merged) = ask(&server, "POST", "d/merge", json!({"branch": "b"})).await;
    assert_eq!((status, &merged["from"], &merged["version"]), (200, &json!(3), &json!(4)));
    assert_eq!(merged["branch"], json!({"id": "b", "from": 1, "version": 2}));
    assert_eq!(
        merged["conflicts"],
        json!([{"base": {"from": 4, "to": 9, "text": "quick"}, "parent": {"from": 4, "to": 8, "text": "fast"},
            "branch": {"from": 4, "to": 9, "text": "brisk"}, "merged": {"from": 4, "to": 13, "text": "briskfast"}}])
    );
    assert_eq!((&seen["conflicts"], &seen["op"]), (&merged["conflicts"], &json!([4, "brisk", 9])));
    assert_eq!(server.http("GET", "/v1/docs/d/content", &[], "").await.body, "The briskfast fox.");
    let mut again = merged.clone();
    again["repeated"] = json!(true);
    assert_eq!(ask(&server, "POST", "d/merge", json!({"branch": "b"})).await, (200, again));
    // What the document has of the branch is the branch's author's, and can be taken back like anything.
    assert_eq!(ask(&server, "POST", "d/restore", json!({"from": 3, "to": 4})).await.0, 200);
    assert_eq!(server.http("GET", "/v1/docs/d/content", &[], "").await.body, "The fast fox.");
    let (_, branches) = ask(&server, "GET", "d/branches", Value::Null).await;
    assert_eq!((&branches["branches"][0]["id"], &branches["branches"][0]["head"]), (&json!("b"), &json!(2)));
    // In pages, where there are many.
    ask(&server, "POST", "d/branches", json!({"id": "c", "version": 1})).await;
    for (query, id, more) in [("limit=1", "b", true), ("limit=1&after=b", "c", false), ("after=b", "c", false)] {
        let (_, page) = ask(&server, "GET", &format!("d/branches?{query}"), Value::Null).await;
        assert_eq!((page["branches"].as_array().map(Vec::len), &page["branches"][0]["id"]), (Some(1), &json!(id)));
        assert_eq!(page["more"], json!(more), "{query}");
    }
    // A branch of the branch is merged into the branch, and with it into the document.
    ask(&server, "POST", "twig/edits", json!({"version": 2, "op": [13, "!"]})).await;
    assert_eq!(ask(&server, "POST", "b/merge", json!({"branch": "twig"})).await.1["version"], 3);
    assert_eq!(ask(&server, "POST", "d/merge", json!({"branch": "b"})).await.1["version"], 6);
    assert_eq!(server.http("GET", "/v1/docs/d/content", &[], "").await.body, "The fast fox!.");
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_branched_or_merged_is_said_and_changes_nothing() {
    let server = Server::start().await;
    for name in ["d", "e"] {
        ask(&server, "PUT", name, json!({"kind": "text", "content": "Hello"})).await;
    }
    ask(&server, "POST", "d/branches", json!({"id": "b"})).await;
    ask(&server, "POST", "b/branches", json!({"id": "twig"})).await;
    for (path, body, status, code) in [
        ("d/branches", json!({"id": "c", "version": 2}), 409, "version_ahead"),
        ("d/branches", json!({"id": "e"}), 409, "document_exists"),
        ("d/branches", json!({"id": "b", "version": 0}), 409, "document_exists"),
        ("d/branches", json!({"id": "d"}), 409, "document_exists"),
        ("d/branches", json!({"id": "a/b"}), 400, "bad_document_id"),
        ("d/branches", json!({}), 400, "bad_message"),
        ("nobody/branches", json!({"id": "c"}), 404, "unknown_document"),
        ("d/merge", json!({"branch": "e"}), 409, "not_a_branch"),
        ("d/merge", json!({"branch": "d"}), 409, "not_a_branch"),
        ("d/merge", json!({"branch": "twig"}), 409, "not_a_branch"),
        ("b/merge", json!({"branch": "d"}), 409, "not_a_branch"),
        ("d/merge", json!({"branch": "nobody"}), 404, "unknown_document"),
        ("d/merge", json!({}), 400, "bad_message"),
    ] {
        let (found, answer) = ask(&server, "POST", path, body.clone()).await;
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{path} {body}: {answer}");
    }
    assert_eq!(ask(&server, "GET", "c", Value::Null).await.0, 404);
    // Nothing was written on the branch: that is no error, and makes no revision.
    let (status, nothing) = ask(&server, "POST", "d/merge", json!({"branch": "b"})).await;
    assert_eq!((status, &nothing["from"], &nothing["version"]), (200, &json!(1), &json!(1)));
    server.stop().await;
}

/// What a client's counter says is known by epoch: the parent's edits are none of the branch's, however they were asked for.
#[tokio::test]
async fn an_edit_of_a_branch_is_no_repeat_of_one_of_its_parent() {
    let server = Server::start().await;
    assert_eq!(ask(&server, "PUT", "p", json!({"kind": "text"})).await.0, 201);
    let edit = |version: u64, op: Value| json!({"version": version, "op": op, "client": live::secret("ana"), "seq": 1});
    let (_, first) = ask(&server, "POST", "p/edits", edit(0, json!(["a"]))).await;
    assert_eq!(first["version"], 1);
    assert_eq!(ask(&server, "POST", "p/branches", json!({"id": "b"})).await.0, 201);
    assert_eq!(server.client("ana").await.open("b", "").await["taken"], Value::Null);
    let (status, second) = ask(&server, "POST", "b/edits", edit(1, json!([1, "b"]))).await;
    assert_eq!((status, &second["version"]), (200, &json!(2)), "{second}");
    let content = server.http("GET", "/v1/docs/b/content", &[], "").await;
    assert_eq!(content.body, "ab");
    // And sent again it is one.
    let (_, again) = ask(&server, "POST", "b/edits", edit(1, json!([1, "b"]))).await;
    assert_eq!(again, second);
    server.stop().await;
}

#[tokio::test]
async fn a_document_with_branches_is_not_deleted() {
    let server = Server::start().await;
    ask(&server, "PUT", "d", json!({"kind": "text", "content": "Hello"})).await;
    for branch in ["b2", "b1"] {
        ask(&server, "POST", "d/branches", json!({"id": branch})).await;
    }
    let (status, answer) = ask(&server, "DELETE", "d", Value::Null).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (409, Some("has_branches")));
    assert_eq!(answer["error"]["message"], "there are branches of the document: b1, b2");
    assert_eq!(ask(&server, "GET", "b1", Value::Null).await.1["content"], "Hello");
    for branch in ["b1", "b2"] {
        assert_eq!(ask(&server, "DELETE", branch, Value::Null).await.0, 204);
    }
    assert_eq!(ask(&server, "DELETE", "d", Value::Null).await.0, 204);
    server.stop().await;
}

#[tokio::test]
async fn the_rust_client_asks_for_all_of_it() {
    let server = Server::start().await;
    ask(&server, "PUT", "d", json!({"kind": "text", "content": "The quick fox"})).await;
    let versions = |name: &str| {
        let http = Http::new(&format!("http://{}", server.address), None).expect("an address");
        Versions::new(http, id(name))
    };
    let (d, b) = (versions("d"), id("b"));
    let label = d.label(&"first / draft".parse().expect("a name"), None, "why").await.expect("it is named");
    assert_eq!((label.version, label.note.as_str()), (Version(1), "why"));
    assert_eq!(d.labels().await.expect("they are listed"), [label]);
    let made = d.branch(&b, Some(Version(1))).await.expect("it is made");
    assert_eq!(d.branches().await.expect("they are listed"), [made]);
    ask(&server, "POST", "b/edits", json!({"version": 1, "op": [13, "!"]})).await;
    let seen = d.merge(&b, true).await.expect("it is seen");
    let merged = d.merge(&b, false).await.expect("it is merged");
    assert_eq!((seen.version, merged.version, merged.repeated), (Version(2), Version(2), false));
    let restored = d.restore(&RestoreWhat::Version(Version(1)), false).await.expect("it is restored");
    assert_eq!(restored.version, Some(Version(3)));
    let stretch = RestoreWhat::Stretch { from: Version(2), to: Version(3), user: None };
    let seen = d.restore(&stretch, true).await.expect("it is seen");
    assert_eq!((seen.version, json!(seen.op)), (None, json!([13, "!"])));
    d.delete_label(&"first / draft".parse().expect("a name")).await.expect("it is taken away");
    let unknown = d.merge(&id("nobody"), false).await.expect_err("there is no such branch");
    assert!(matches!(unknown, RequestError::Refused { code: Code::UnknownDocument, .. }), "{unknown}");
    server.stop().await;
}

/// Three people write on the document and three on the branch, and it is merged all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_both_sides_are_written_merges_lose_nothing_and_double_nothing() {
    let server = Server::start().await;
    ask(&server, "PUT", "d", json!({"kind": "text", "content": "Hello"})).await;
    ask(&server, "POST", "d/branches", json!({"id": "b"})).await;
    let on_branch = write_meanwhile(&server, "b", 3, 40, async |_| ());
    let merging = write_meanwhile(&server, "d", 3, 40, async |_| {
        let (status, merged) = ask(&server, "POST", "d/merge", json!({"branch": "b"})).await;
        assert_eq!(status, 200, "{merged}");
        merged
    });
    let (_, merges) = futures_util::future::join(on_branch, merging).await;
    assert!(merges.iter().filter(|merged| merged["repeated"] == json!(false)).count() >= 2, "{} merges", merges.len());
    let (_, last) = ask(&server, "POST", "d/merge", json!({"branch": "b"})).await;
    let (parent, branch) = (history(server.address, "d").await, history(server.address, "b").await);
    let inserted = |revisions: &[Value]| {
        let length = |revision: &Value| {
            let parts = revision["op"].as_array().expect("an op is a list").iter();
            parts.filter_map(Value::as_str).map(plain::len).sum::<u64>()
        };
        revisions.iter().map(length).sum::<u64>()
    };
    // What the document has of the branch, run by run, is what was typed there: text that a run typed and took away
    // again never was, so each run is composed before it is counted.
    let client = |revision: &Value| revision["session"].is_null();
    let merged: Vec<Value> = parent[1..].iter().filter(|revision| client(revision)).cloned().collect();
    let mut typed_on_branch = 0;
    let mut from = 1;
    for merge in merges.iter().chain([&last]).filter(|merge| merge["repeated"] == json!(false)) {
        let part = &merge["branch"];
        assert_eq!(part["from"], json!(from), "a merge begins where the one before ended");
        let to = part["version"].as_u64().expect("a version");
        let revisions = &branch[from..to as usize];
        let runs = revisions.chunk_by(|a, b| a["user"] == b["user"]).map(|run| {
            let ops = run.iter().map(|revision| TextOp::from_json(&revision["op"].to_string()).expect("an op"));
            compose_all(ops.collect()).expect("they follow one another").expect("a run is not empty")
        });
        let (first, after) = (merge["from"].as_u64(), merge["version"].as_u64());
        let runs: Vec<TextOp> = runs.collect();
        assert_eq!(after.zip(first).map(|(after, first)| after - first), Some(runs.len() as u64));
        typed_on_branch += runs.iter().map(|op| inserted(&[json!({"op": op})])).sum::<u64>();
        from = to as usize;
    }
    assert_eq!(from, branch.len(), "everything was merged");
    assert_eq!(inserted(&merged), typed_on_branch);
    let (in_parent, in_branch) = (fold(&parent), fold(&branch));
    assert_eq!(in_parent[1], in_branch[1]);
    server.stop().await;
}
