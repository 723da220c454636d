//! An append whose outcome is unknown is settled by reading the log, never by guessing.

use std::sync::atomic::{AtomicU32, Ordering};

use proptests::faulty::{Call, Fate, Faulty};
use proptests::live::{Raw, Server};
use serde_json::json;
use variorum::limits::Limits;

/// Ana and Bo have version 1, which is Ana's "a". Her "b" after it was done, and she was told that its fate is unknown.
async fn after_a_lost_append() -> (Server, Raw, Raw) {
    let appends = AtomicU32::new(0);
    let store = Faulty::new(move |call| match call {
        // The second append is done, but whoever asked is told that it failed.
        Call::Append if appends.fetch_add(1, Ordering::Relaxed) == 1 => Fate::Lost,
        _ => Fate::Done,
    });
    let server = Server::with(store, Limits::default()).await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    ana.open("d", "").await;
    bo.open("d", "").await;
    ana.edited("d", 0, 1, json!(["a"])).await;
    assert_eq!(bo.hears("revision").await["version"], 1);
    ana.edit("d", 1, 2, json!([1, "b"])).await;
    // Not refused: its fate is unknown.
    let error = ana.hears("error").await;
    assert_eq!((&error["code"], &error["seq"]), (&json!("storage_unavailable"), &json!(2)));
    (server, ana, bo)
}

#[tokio::test]
async fn an_append_that_was_done_after_all_reaches_everyone_and_is_taken_once() {
    let (server, mut ana, mut bo) = after_a_lost_append().await;
    // Nobody asks for anything, and yet the log is looked at: its author hears the ack, the other the revision.
    assert_eq!(ana.hears("ack").await["version"], 2);
    assert_eq!(bo.hears("revision").await["op"], json!([1, "b"]));
    // Sent again, it is what it became.
    assert_eq!(ana.edited("d", 1, 2, json!([1, "b"])).await["version"], 2);
    assert_eq!(ana.edited("d", 2, 3, json!([2, "c"])).await["version"], 3);
    server.stop().await;
}

/// The log has gone on by as much as the next edit would add, and yet that edit is not in it.
#[tokio::test]
async fn an_edit_after_one_that_was_done_after_all_is_not_taken_for_it() {
    let (server, mut ana, mut bo) = after_a_lost_append().await;
    // Before the log is looked at.
    bo.edit("d", 1, 1, json!([1, "c"])).await;
    assert_eq!(bo.hears("revision").await["op"], json!([1, "b"]));
    assert_eq!(bo.hears("ack").await["version"], 3);
    assert_eq!(ana.hears("ack").await["version"], 2);
    assert_eq!(server.http("GET", "/v1/docs/d/content", &[], "").await.body, "acb");
    server.stop().await;
}

#[tokio::test]
async fn a_deletion_that_was_done_after_all_reaches_everyone() {
    // It is done, but whoever asked is told that it failed.
    let store = Faulty::new(|call| if call == Call::Remove { Fate::Lost } else { Fate::Done });
    let server = Server::with(store, Limits::default()).await;
    let mut ana = server.client("ana").await;
    ana.open("d", "kept?").await;
    assert_eq!(server.http("DELETE", "/v1/docs/d", &[], "").await.code(), "storage_unavailable");
    // Nobody edits, and yet the log is looked at: whoever has it open hears that it is gone.
    assert_eq!(ana.hears("closed").await["code"], "deleted");
    assert_eq!(server.http("GET", "/v1/docs/d", &[], "").await.status, 404);
    server.stop().await;
}
