//! Pruning, as those who use the server meet it.

use std::sync::Arc;

use proptests::live::{Server, parts, secret};
use serde_json::{Value, json};
use variorum::limits::Limits;
use variorum::server::{Parts, Policy};
use variorum::store::{MemoryStore, SqliteOptions, SqliteStore, Store};

/// Versions that the document has.
const HEAD: u64 = 700;
/// The horizon that pruning all of it comes to.
const HORIZON: u64 = 512;

async fn server(store: Arc<dyn Store>) -> Server {
    Server::with(store, Limits { edits_per_second: 1_000_000, ..Limits::default() }).await
}

/// The document "d": version 1 by "early", all others a character each by "ana"; versions 3 and 300 are labelled.
async fn write(server: &Server) {
    let mut early = server.client("early").await;
    early.open("d", "").await;
    early.edited("d", 0, 1, json!(["x"])).await;
    let mut ana = server.client("ana").await;
    ana.open("d", "").await;
    for at in 1..HEAD {
        let letter = char::from(b'a' + (at % 26) as u8).to_string();
        ana.edited("d", at, at, json!([at, letter])).await;
    }
    for version in [3, 300] {
        let label = json!({"version": version}).to_string();
        assert_eq!(server.http("PUT", &format!("/v1/docs/d/labels/v{version}"), &[], &label).await.status, 201);
    }
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = server.http("GET", &format!("/v1/docs/d{path}"), &[], "").await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

async fn prune(server: &Server, body: Value) -> Value {
    let answer = server.http("POST", "/v1/docs/d/prune", &[], &body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Once with the document open since it was written, once opened anew after pruning.
async fn on_every_store(test: impl AsyncFn(&Server)) {
    let server = server(Arc::new(MemoryStore::new())).await;
    write(&server).await;
    test(&server).await;
    server.stop().await;
    for anew in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let open = || Arc::new(SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap());
        let mut server = self::server(open()).await;
        write(&server).await;
        if anew {
            prune(&server, json!({"keep": "labels"})).await;
            server.stop().await;
            server = self::server(open()).await;
        }
        test(&server).await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_reads_as_before_and_what_is_not_is_gone() {
    let reads = [
        "?version=3",
        "?version=300",
        "?version=512",
        "?version=513",
        "/history?limit=5",
        "/history?before=400",
        "/blame?version=300",
        "/blame",
        "/diff?from=3&to=300",
        "/diff?from=300&to=650",
        "/diff?from=512&to=0",
        "/revisions?since=512",
        "/search?text=xb&since=600",
        "/labels",
    ];
    let server = server(Arc::new(MemoryStore::new())).await;
    write(&server).await;
    let mut before = Vec::new();
    for path in reads {
        before.push(get(&server, path).await);
    }
    prune(&server, json!({"keep": "labels"})).await;
    for (path, before) in reads.into_iter().zip(before) {
        assert_eq!(get(&server, path).await, before, "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_kept_is_restored_though_those_after_it_are_gone() {
    on_every_store(async |server| {
        let wanted = get(server, "?version=3").await["content"].clone();
        prune(server, json!({"keep": "labels"})).await;
        let answer = server.http("POST", "/v1/docs/d/restore", &[], &json!({"version": 3}).to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(get(server, "").await["content"], wanted);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pruned_version_is_refused_with_the_oldest_that_is_kept() {
    on_every_store(async |server| {
        let labelled = get(server, "?version=300").await;
        let (epoch, chain) = (labelled["epoch"].as_str().unwrap(), labelled["chain"].as_str().unwrap());
        let tag = format!("\"{epoch}/300/{chain}\"");
        let pruned_tag = format!("\"{epoch}/299/{chain}\"");
        let young = prune(server, json!({"keep": "1d"})).await;
        assert_eq!(young["before"], young["oldest"]);
        let preview = prune(server, json!({"keep": "labels", "preview": true})).await;
        assert_eq!((&preview["oldest"], &preview["labelled"]), (&json!(HORIZON), &json!([3, 300])));
        prune(server, json!({"keep": "labels"})).await;
        let again = prune(server, json!({"keep": "labels"})).await;
        assert_eq!((&again["before"], &again["oldest"]), (&json!(HORIZON), &json!(HORIZON)));
        let match_pruned = [("If-Match", pruned_tag.as_str())];
        let none: &[(&str, &str)] = &[];
        for (method, path, headers, body) in [
            ("GET", "?version=299", none, ""),
            ("GET", "/content?version=4", none, ""),
            ("GET", "/blame?version=299", none, ""),
            ("GET", "/diff?from=4", none, ""),
            ("GET", "/diff?from=3&to=511", none, ""),
            ("GET", "/revisions", none, ""),
            ("GET", "/revisions?since=300&composed=true", none, ""),
            ("GET", "/search?text=a&since=300", none, ""),
            ("PUT", "/labels/late", none, r#"{"version": 299}"#),
            ("POST", "/branches", none, r#"{"id": "late", "version": 300}"#),
            ("POST", "/restore", none, r#"{"version": 299}"#),
            ("POST", "/restore", none, r#"{"from": 3, "to": 299}"#),
            ("POST", "/edits", none, r#"{"version": 2, "op": [2, "?"]}"#),
            ("PUT", "/content", &match_pruned[..], "another"),
        ] {
            let answer = server.http(method, &format!("/v1/docs/d{path}"), headers, body).await;
            assert_eq!((answer.status, answer.code().as_str()), (410, "version_pruned"), "{method} {path}: {answer:?}");
            let message = answer.json()["error"]["message"].to_string();
            assert!(message.contains("512"), "{message}");
        }
        assert_eq!(get(server, "").await["version"], HEAD);
        // A labelled version is as good a base as any.
        let answer = server.http("PUT", "/v1/docs/d/content", &[("If-Match", &tag)], "new").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = server.http("POST", "/v1/docs/d/restore", &[], r#"{"version": 300}"#).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let now = get(server, "").await;
        assert_eq!(now["content"], get(server, "?version=300").await["content"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_from_the_horizon_and_is_told_to_begin_anew_before_it() {
    on_every_store(async |server| {
        prune(server, json!({"keep": "labels"})).await;
        let mut raw = server.client("back").await;
        for (version, goes_on) in [(HEAD, true), (HORIZON + 1, true), (HORIZON, true), (300, false), (0, false)] {
            let place = get(server, &format!("?version={version}")).await;
            let from = json!({"epoch": place["epoch"], "version": version, "chain": place["chain"]});
            raw.say(json!({"type": "open", "doc": "d", "from": from})).await;
            let opened = raw.hears("opened").await;
            match goes_on {
                true => assert!(opened["revisions"].is_array() && opened["reset"].is_null(), "{version}: {opened}"),
                false => {
                    assert_eq!(
                        (&opened["reset"], opened["content"].is_string()),
                        (&json!("pruned"), true),
                        "{version}"
                    );
                }
            }
        }
        let ahead = json!({"epoch": get(server, "").await["epoch"], "version": HEAD + 1, "chain": "0000000000000000"});
        raw.say(json!({"type": "open", "doc": "d", "from": ahead})).await;
        assert_eq!(raw.hears("opened").await["reset"], "ahead");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_whose_revision_was_pruned_is_not_taken_again() {
    on_every_store(async |server| {
        prune(server, json!({"keep": "labels"})).await;
        let again = json!({"version": HEAD, "op": [HEAD, "x"], "client": secret("early"), "seq": 1});
        let answer = server.http("POST", "/v1/docs/d/edits", &[], &again.to_string()).await;
        assert_eq!((answer.status, answer.code().as_str()), (410, "version_pruned"), "{answer:?}");
        assert!(answer.body.contains("as version 1,"), "{answer:?}");
        assert_eq!(get(server, "").await["version"], HEAD);
        let mut early = server.client("early").await;
        early.say(json!({"type": "open", "doc": "d", "pending": 1})).await;
        let opened = early.hears("opened").await;
        assert_eq!(opened["taken"], json!({"seq": 1, "version": 1}));
        early.edit("d", HEAD, 1, json!([HEAD, "x"])).await;
        let refused = early.hears("refused").await;
        assert_eq!((&refused["code"], &refused["seq"]), (&json!("version_pruned"), &json!(1)));
        assert_eq!(early.edited("d", HEAD, 2, json!([HEAD, "y"])).await["version"], HEAD + 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_write_do_not_notice() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(Arc::new(SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap())).await;
    write(&server).await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    ana.open("d", "").await;
    bo.open("d", "").await;
    for round in 0..300 {
        if round % 100 == 0 {
            prune(&server, json!({"keep": "labels"})).await;
        }
        let acked = ana.edited("d", HEAD + round, HEAD + round, json!([HEAD + round, "z"])).await;
        assert_eq!(acked["version"], HEAD + round + 1);
        assert_eq!(bo.hears("revision").await["version"], HEAD + round + 1);
    }
    assert_eq!(prune(&server, json!({"keep": "labels"})).await["oldest"], 768);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_wish_is_refused_with_what_is_wrong() {
    let server = Server::of(Parts { keeping: Policy::default(), ..parts() }).await;
    server.client("ana").await.open("d", "Hello").await;
    for (path, body, status, code, says) in [
        ("d", json!({}), 400, "bad_message", "`keep` is missing"),
        ("d", json!({"keep": 30}), 400, "bad_message", "keep"),
        ("d", json!({"keep": "30"}), 400, "bad_message", "30"),
        ("d", json!({"keep": "30d", "preview": 1}), 400, "bad_message", "preview"),
        ("nothing", json!({"keep": "30d"}), 404, "unknown_document", "nothing"),
    ] {
        let answer = server.http("POST", &format!("/v1/docs/{path}/prune"), &[], &body.to_string()).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
        assert!(answer.body.contains(says), "{says:?} is not in {answer:?}");
    }
    server.stop().await;
}
