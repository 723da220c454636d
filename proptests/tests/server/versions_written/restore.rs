//! Restores: a version brought back, a stretch taken back and put again, one author's changes alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::{prop_assert, prop_assert_eq};
use proptests::live::{Server, history};
use proptests::{Source, check_random, plain};
use serde_json::{Value, json};
use variorum::document::{Author, DocumentId, Edit, Kind, SentOp, Stretch, Unclean, Undo, User, Version, runs};
use variorum::hub::{Creation, Hub, Live, Outcome, Restore, Settings, System};
use variorum::limits::Limits;
use variorum::metrics::Metrics;
use variorum::ot::TextOp;
use variorum::store::MemoryStore;

use super::characters::{Log, Typist, agree_in_order, deleted, set, typed};
use super::writers::{fold, write_meanwhile};

/// Takes `(from, to]` back, or what `author` did in it, and moves on to the head.
fn undo(log: &Log, from: usize, to: usize, author: Option<u64>) -> (TextOp, Vec<Unclean>) {
    let mut undo = Undo::begin(log.content(from));
    let mine = author.map(|author| format!("user-{author}"));
    let of_mine = |mine: &str, author: Option<&Author>| author.is_some_and(|author| author.user.id == mine);
    let pieces = runs(log.pieces(from, to), |author| mine.as_deref().is_none_or(|mine| of_mine(mine, author)));
    for (mine, piece) in &pieces {
        let done = if *mine { undo.take_back(piece) } else { undo.leave(piece) };
        done.expect("the pieces are of one log");
    }
    if let Some(since) = Stretch::join_all(log.pieces(to, log.revisions.len())) {
        undo.leave(&since).expect("it follows");
    }
    undo.finish()
}

fn said(unclean: &[Unclean]) -> BTreeSet<char> {
    unclean.iter().flat_map(|unclean| unclean.text.chars()).collect()
}

/// A log, and a stretch of it.
fn log_and_stretch(source: &mut Source, typist: &mut Typist) -> (Log, usize, usize) {
    let mut log = Log::new();
    let count = 1 + source.below(14);
    log.write(typist, source, count, 3);
    let from = source.below(count) as usize;
    let to = from + 1 + source.below(count - from as u64) as usize;
    (log, from, to)
}

#[test]
fn undoing_everything_leaves_what_was_before() {
    check_random(1_000, 200, |source| {
        let mut log = Log::new();
        let count = 1 + source.below(14);
        log.write(&mut Typist::new(), source, count, 3);
        let from = source.below(count) as usize;
        let (op, unclean) = undo(&log, from, count as usize, None);
        prop_assert_eq!(plain::apply(&op, log.now()), log.texts[from].as_str());
        prop_assert!(unclean.is_empty());
        Ok(())
    });
}

#[test]
fn undoing_nothing_of_others() {
    check_random(3_000, 240, |source| {
        let (log, from, to) = log_and_stretch(source, &mut Typist::new());
        let author = if source.once_in(3) { None } else { Some(source.below(3)) };
        let (op, unclean) = undo(&log, from, to, author);
        let result = plain::apply(&op, log.now());

        let (mut gone, mut back, mut deleted_since) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (place, revision) in log.revisions.iter().enumerate().skip(from) {
            let deletes = deleted(&revision.op, &log.texts[place]);
            let mine = author.is_none_or(|author| revision.author.user.id == format!("user-{author}"));
            if place < to && mine {
                gone.extend(typed(&revision.op));
                back.extend(deletes);
            } else {
                deleted_since.extend(deletes);
            }
        }
        let back = &back - &gone;
        prop_assert_eq!(set(&result), &(&set(log.now()) - &gone) | &back);
        // What the changes had typed and others deleted: gone on both sides, and said.
        prop_assert_eq!(said(&unclean), &gone & &deleted_since);
        prop_assert!(unclean.iter().all(|unclean| unclean.at <= plain::len(&result)));
        prop_assert!(agree_in_order(&result, log.now()), "{:?} and {:?}", result, log.now());
        prop_assert!(agree_in_order(&result, &log.texts[from]), "{:?} and {:?}", result, log.texts[from]);
        Ok(())
    });
}

#[test]
fn a_stretch_taken_back_and_put_again_leaves_what_others_did_between() {
    check_random(3_000, 240, |source| {
        let mut typist = Typist::new();
        let (mut log, from, to) = log_and_stretch(source, &mut typist);
        let before = log.texts.len() - 1;
        let (op, _) = undo(&log, from, to, None);
        log.push(op, 9);
        let others_from = log.texts.len() - 1;
        let others = source.below(5);
        log.write(&mut typist, source, others, 3);
        let (op, unclean) = undo(&log, before, others_from, None);
        log.push(op, 9);

        let others = &log.revisions[others_from..others_from + others as usize];
        let typed_between: BTreeSet<char> = others.iter().flat_map(|revision| typed(&revision.op)).collect();
        let deleted_between: BTreeSet<char> =
            (others_from..).zip(others).flat_map(|(place, other)| deleted(&other.op, &log.texts[place])).collect();
        let alone = &(&set(&log.texts[before]) - &deleted_between) | &(&typed_between - &deleted_between);
        prop_assert_eq!(set(log.now()), alone);
        // What the taking back had brought back and others then deleted.
        let brought_back = &set(&log.texts[others_from]) - &set(&log.texts[before]);
        prop_assert_eq!(said(&unclean), &brought_back & &deleted_between);
        prop_assert!(agree_in_order(log.now(), &log.texts[before]));
        prop_assert!(agree_in_order(log.now(), &log.texts[log.texts.len() - 2]));
        Ok(())
    });
}

fn author() -> Arc<Author> {
    Arc::new(Author { session: None, user: User { id: "u".into(), name: "Ana".into() } })
}

async fn submit(live: &Live, base: Version, op: SentOp) -> Version {
    match live.submit(Edit { base, origin: None, author: author(), may_write: true, op: Ok(op) }).await {
        Outcome::Granted(revision) => revision.version,
        other => panic!("expected a grant, got {other:?}"),
    }
}

/// Whatever is granted between asking and granting, and however old the version or the base.
#[tokio::test]
async fn restoring_a_version_gives_its_content() {
    let limits = Limits::default();
    let settings = Settings {
        edit_limits: limits.edit(),
        idle_timeout: limits.document_idle,
        open_documents: 1_000,
        metrics: Metrics::new(),
    };
    let hub = Hub::new(Arc::new(MemoryStore::new()), Arc::new(System), settings);
    for seed in 0..12 {
        let mut source = Source::seeded(seed);
        let mut typist = Typist::new();
        let id: DocumentId = format!("d{seed}").parse().expect("a document id");
        let creation = Creation { kind: Kind::Text, content: String::new(), author: author() };
        let (live, _) = hub.open(&id, Some(&creation)).await.expect("it opens");
        let mut texts = vec![String::new()];
        for _ in 0..6 {
            for _ in 0..*source.pick(&[1u64, 20, 400]) {
                let op = typist.op(&mut source, live.now().content.len());
                submit(&live, live.head(), op.into()).await;
                texts.push(live.now().content.to_string());
            }
            let (asked_at, back_to) = (live.head(), Version(source.below(live.head().0 + 1)));
            let (op, unclean) = live.plan_restore(&Restore::To(back_to), asked_at).await.expect("it can be read");
            assert!(unclean.is_empty());
            for _ in 0..*source.pick(&[0u64, 1, 700]) {
                let op = typist.op(&mut source, live.now().content.len());
                submit(&live, live.head(), op.into()).await;
                texts.push(live.now().content.to_string());
            }
            let granted = submit(&live, asked_at, op).await;
            assert_eq!(
                live.now().content.to_string(),
                texts[back_to.0 as usize],
                "seed {seed}: {back_to} at {granted}"
            );
            texts.push(live.now().content.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_others_write_a_restore_still_gives_its_version() {
    let server = Server::start().await;
    server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"The quick brown fox."}"#).await;
    let restores = write_meanwhile(&server, "d", 3, 60, async |head| {
        let back_to = head / 2;
        let answer = server.http("POST", "/v1/docs/d/restore", &[], &json!({"version": back_to}).to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (back_to, answer.json())
    })
    .await;
    let texts = fold(&history(server.address, "d").await);
    assert!(restores.len() >= 3, "{} restores", restores.len());
    for (back_to, answer) in restores {
        let version = answer["version"].as_u64().expect("it names the revision");
        assert_eq!(texts[version as usize], texts[back_to as usize], "version {back_to} by {answer}");
        let op = TextOp::from_json(&answer["op"].to_string()).expect("an op");
        if !op.is_identity() {
            assert_eq!(plain::apply(&op, &texts[version as usize - 1]), texts[version as usize]);
        }
    }
    server.stop().await;
}

async fn post(server: &Server, path: &str, body: Value) -> (u16, Value) {
    let answer = server.http("POST", path, &[], &body.to_string()).await;
    (answer.status, answer.json())
}

/// "Hello", then Ana writes ", Ana", Bo deletes "na", Ana writes "!".
async fn four_edits(server: &Server) -> String {
    server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"Hello"}"#).await;
    let (ana, bo) = ("ana-------------------", "bo--------------------");
    for (version, client, seq, op) in
        [(1, ana, 1, json!([5, ", Ana"])), (2, bo, 1, json!([8, -2])), (3, ana, 2, json!([8, "!"]))]
    {
        let body = json!({"version": version, "op": op, "client": client, "seq": seq});
        assert_eq!(post(server, "/v1/docs/d/edits", body).await.0, 200);
    }
    let revisions = history(server.address, "d").await;
    revisions[1]["user"]["id"].as_str().expect("an author").to_owned()
}

#[tokio::test]
async fn one_authors_changes_alone_are_taken_back_and_what_is_gone_already_is_said() {
    let server = Server::start().await;
    let ana = four_edits(&server).await;
    let what = json!({"from": 1, "to": 4, "user": ana});
    let mut preview = what.clone();
    preview["preview"] = json!(true);
    let (status, seen) = post(&server, "/v1/docs/d/restore", preview).await;
    assert_eq!((status, &seen["op"], seen.get("version")), (200, &json!([5, -4]), None));
    assert_eq!(seen["unclean"], json!([{"at": 5, "text": "na"}]));
    assert_eq!(history(server.address, "d").await.len(), 4, "a preview does nothing");

    let key = [("Idempotency-Key", "once")];
    let done = server.http("POST", "/v1/docs/d/restore", &key, &what.to_string()).await.json();
    assert_eq!((&done["version"], &done["op"], &done["unclean"]), (&json!(5), &seen["op"], &seen["unclean"]));
    // The same request again is the same revision, though the document has moved on.
    assert_eq!(post(&server, "/v1/docs/d/edits", json!({"version": 5, "op": ["O ", 5]})).await.0, 200);
    assert_eq!(server.http("POST", "/v1/docs/d/restore", &key, &what.to_string()).await.json(), done);
    assert_eq!(server.http("GET", "/v1/docs/d/content", &[], "").await.body, "O Hello");

    // Going back to what is there already makes no revision.
    let (_, same) = post(&server, "/v1/docs/d/restore", json!({"version": 6})).await;
    assert_eq!((&same["version"], &same["op"]), (&json!(6), &json!([7])));
    server.stop().await;
}

#[tokio::test]
async fn what_came_after_a_stretch_stays_when_it_is_taken_back() {
    let server = Server::start().await;
    let ana = four_edits(&server).await;
    // Ana's comma and name alone: her exclamation mark is later.
    for mut what in [json!({"from": 1, "to": 2}), json!({"from": 1, "to": 3, "user": ana})] {
        what["preview"] = json!(true);
        let (status, seen) = post(&server, "/v1/docs/d/restore", what.clone()).await;
        assert_eq!((status, &seen["unclean"]), (200, &json!([{"at": 5, "text": "na"}])), "{what}: {seen}");
        let op = TextOp::from_json(&seen["op"].to_string()).expect("an op");
        assert_eq!(plain::apply(&op, "Hello, A!"), "Hello!", "{what}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_restored_is_said_and_changes_nothing() {
    let server = Server::start().await;
    four_edits(&server).await;
    for (body, status, code) in [
        (json!({"version": 5}), 409, "version_ahead"),
        (json!({"from": 1, "to": 9}), 409, "version_ahead"),
        (json!({"from": 2, "to": 2}), 400, "bad_message"),
        (json!({"from": 3, "to": 2}), 400, "bad_message"),
        (json!({"from": 3}), 400, "bad_message"),
        (json!({"version": 1, "user": "u"}), 400, "bad_message"),
        (json!({"version": 1, "preview": 3}), 400, "bad_message"),
        (json!({}), 400, "bad_message"),
    ] {
        let (found, answer) = post(&server, "/v1/docs/d/restore", body.clone()).await;
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{body}: {answer}");
    }
    let (status, answer) = post(&server, "/v1/docs/nobody/restore", json!({"version": 0})).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (404, Some("unknown_document")));
    assert_eq!(history(server.address, "d").await.len(), 4);
    server.stop().await;
}
