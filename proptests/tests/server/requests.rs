//! The HTTP part of the protocol against a real server.

mod content;
mod deletion;
mod listing;

use proptests::live::{Server, secret};
use serde_json::json;

#[tokio::test]
async fn a_document_is_made_once() {
    let server = Server::start().await;
    let made = server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"Hello"}"#).await;
    assert_eq!(made.status, 201);
    assert_eq!((&made.json()["version"], &made.json()["kind"]), (&json!(1), &json!("text")));
    assert!(made.json().get("content").is_none());
    let again = server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"Other"}"#).await;
    assert_eq!((again.status, again.json()), (200, made.json()));
    let empty = server.http("PUT", "/v1/docs/e", &[], r#"{"kind":"text","content":""}"#).await;
    assert_eq!((empty.status, &empty.json()["version"]), (201, &json!(0)));
    for (body, status, code) in [
        (r#"{"kind":"board"}"#, 422, "unsupported_kind"),
        (r#"{}"#, 400, "bad_message"),
        ("[]", 400, "bad_message"),
        (r#"{"kind":"text","content":"\ud800"}"#, 400, "bad_message"),
    ] {
        let answer = server.http("PUT", "/v1/docs/f", &[], body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    }
    assert_eq!(server.http("GET", "/v1/docs/f", &[], "").await.status, 404);
    let other = server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"board"}"#).await;
    assert_eq!((other.status, other.code().as_str()), (409, "wrong_kind"));
    server.stop().await;
}

#[tokio::test]
async fn every_version_can_be_read_and_a_known_one_is_not_sent_again() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "").await;
    for (n, letter) in "abc".chars().enumerate() {
        let op = if n == 0 { json!(["a"]) } else { json!([n, letter]) };
        ana.edited("d", n as u64, 1 + n as u64, op).await;
    }
    for (version, content) in ["", "a", "ab", "abc"].iter().enumerate() {
        let read = server.http("GET", &format!("/v1/docs/d?version={version}"), &[], "").await;
        assert_eq!((&read.json()["content"], &read.json()["version"]), (&json!(content), &json!(version)));
        let tag = read.header("etag").expect("an etag");
        assert_eq!(read.header("cache-control").as_deref(), Some("private, no-cache"));
        let path = format!("/v1/docs/d/content?version={version}");
        let bare = server.http("GET", &path, &[], "").await;
        assert_eq!((bare.body.as_str(), bare.header("etag")), (*content, Some(tag)));
        assert_eq!(bare.header("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    }
    let now = server.http("GET", "/v1/docs/d", &[], "").await;
    let (epoch, chain) = (now.json()["epoch"].clone(), now.json()["chain"].clone());
    let tag = format!("\"{}/3/{}\"", epoch.as_str().unwrap(), chain.as_str().unwrap());
    assert_eq!(now.header("etag"), Some(tag.to_lowercase()));
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let unchanged = server.http("GET", "/v1/docs/d", &[("If-None-Match", &known)], "").await;
        assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""), "{known}");
    }
    let time = now.json()["time"].as_u64().unwrap();
    let read = server.http("GET", &format!("/v1/docs/d?at={time}"), &[], "").await;
    assert_eq!(read.json()["version"], 3);
    for (query, status, code) in [
        ("version=4", 409, "version_ahead"),
        ("version=x", 400, "bad_message"),
        ("version=1&at=1", 400, "bad_message"),
        ("at=1", 404, "not_found"),
    ] {
        let answer = server.http("GET", &format!("/v1/docs/d?{query}"), &[], "").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn catching_up_by_pages_leads_from_any_version_to_the_head() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "").await;
    for n in 0..40u64 {
        let op = if n == 0 { json!(["x"]) } else { json!([n, "x"]) };
        ana.edited("d", n, 1 + n, op).await;
    }
    let (mut since, mut chain, mut pages) = (0, String::new(), 0);
    loop {
        let given = if chain.is_empty() { String::new() } else { format!("&chain={chain}") };
        let path = format!("/v1/docs/d/revisions?since={since}&limit=15{given}");
        let page = server.http("GET", &path, &[], "").await.json();
        assert_eq!((&page["from"], &page["head"]), (&json!(since), &json!(40)));
        let versions: Vec<_> =
            page["revisions"].as_array().unwrap().iter().map(|r| r["version"].as_u64().unwrap()).collect();
        let full = 40.min(since + 15);
        assert_eq!(versions, (since + 1..=full).collect::<Vec<_>>());
        since = page["version"].as_u64().unwrap();
        assert_eq!(since, full);
        chain = page["chain"].as_str().unwrap().to_owned();
        pages += 1;
        assert_eq!(page["more"], since < 40);
        if since == 40 {
            break;
        }
    }
    assert_eq!(pages, 3);
    let composed = server.http("GET", "/v1/docs/d/revisions?since=10&composed=true", &[], "").await.json();
    assert_eq!(composed["revisions"].as_array().map(Vec::len), Some(1));
    assert_eq!(composed["revisions"][0]["from"], 10);
    assert_eq!(composed["revisions"][0]["op"], json!([10, "x".repeat(30)]));

    // A client's own edit of unknown fate is marked, and comes apart.
    let mine = [("Variorum-Client", &*secret("ana")), ("Variorum-Pending", "40")];
    let marked = server.http("GET", "/v1/docs/d/revisions?since=10&composed=true", &mine, "").await.json();
    assert_eq!(marked["taken"], json!({"seq": 40, "version": 40}));
    let spans: Vec<_> =
        marked["revisions"].as_array().unwrap().iter().map(|r| (r["version"].clone(), r["seq"].clone())).collect();
    assert_eq!(spans, [(json!(39), json!(null)), (json!(40), json!(40))]);

    for (query, status, code) in [
        ("since=41", 409, "version_ahead"),
        ("since=1&epoch=other", 412, "epoch_changed"),
        ("since=1&chain=0000000000000000", 412, "chain_differs"),
        ("limit=0", 400, "bad_message"),
        ("limit=5001", 400, "bad_message"),
        ("composed=perhaps", 400, "bad_message"),
    ] {
        let answer = server.http("GET", &format!("/v1/docs/d/revisions?{query}"), &[], "").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_edit_over_http_is_a_revision_like_any_other() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    let opened = ana.open("d", "hello").await;
    let post = |body: serde_json::Value| body.to_string();
    let granted = server.http("POST", "/v1/docs/d/edits", &[], &post(json!({"version": 1, "op": [5, "!"]}))).await;
    assert_eq!((granted.status, &granted.json()["version"]), (200, &json!(2)));
    let revision = ana.hears("revision").await;
    assert_eq!((&revision["op"], &revision["session"]), (&json!([5, "!"]), &json!(null)));

    // From an old version it is moved, and says as what.
    let moved = server.http("POST", "/v1/docs/d/edits", &[], &post(json!({"version": 1, "op": [5, "?"]}))).await;
    assert_eq!(moved.json()["op"], json!([5, "?", 1]));

    // Sent twice with an identity, it is taken once.
    let body =
        post(json!({"version": 3, "op": [7, "."], "client": secret("http"), "seq": 1, "epoch": opened["epoch"]}));
    let first = server.http("POST", "/v1/docs/d/edits", &[], &body).await.json();
    assert_eq!(server.http("POST", "/v1/docs/d/edits", &[], &body).await.json(), first);
    let keyed = post(json!({"version": 4, "op": [8, ";"]}));
    let key = [("Idempotency-Key", "k1")];
    let first = server.http("POST", "/v1/docs/d/edits", &key, &keyed).await.json();
    assert_eq!(first["version"], 5);
    assert_eq!(server.http("POST", "/v1/docs/d/edits", &key, &keyed).await.json(), first);
    assert_eq!(server.http("GET", "/v1/docs/d/content", &[], "").await.body, "hello?!.;");

    let chain = first["chain"].as_str().unwrap();
    for (body, status, code) in [
        (json!({"version": 9, "op": [9]}), 409, "version_ahead"),
        (json!({"version": 5, "op": [99]}), 409, "length_mismatch"),
        (json!({"version": 5, "op": [0]}), 400, "bad_op"),
        (json!({"version": 5, "op": 7}), 400, "bad_message"),
        (json!({"version": 5}), 400, "bad_message"),
        (json!({"version": 5, "op": [9], "client": secret("x")}), 400, "bad_message"),
        (json!({"version": 5, "op": [9], "epoch": "other"}), 412, "epoch_changed"),
        (json!({"version": 5, "op": [9], "chain": "0000000000000000"}), 412, "chain_differs"),
        (json!({"version": 4, "op": [9], "chain": chain}), 412, "chain_differs"),
    ] {
        let answer = server.http("POST", "/v1/docs/d/edits", &[], &body.to_string()).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_error_is_json_and_paths_are_decoded() {
    let server = Server::start().await;
    server.http("PUT", "/v1/docs/a:b~c", &[], r#"{"kind":"text"}"#).await;
    assert_eq!(server.http("GET", "/v1/docs/a%3Ab%7Ec", &[], "").await.json()["id"], "a:b~c");
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/docs/d/nothing", 404, "not_found"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("PATCH", "/v1/docs/d", 405, "method_not_allowed"),
        ("GET", "/v1/docs/d/edits", 405, "method_not_allowed"),
        ("GET", "/v1/docs/unknown", 404, "unknown_document"),
        ("GET", "/v1/docs/unknown/revisions", 404, "unknown_document"),
        ("GET", "/v1/docs/a%2Fb", 400, "bad_document_id"),
        ("GET", "/v1/docs/%ff", 400, "bad_document_id"),
        ("GET", "/v1/connect", 400, "bad_message"),
    ] {
        let answer = server.http(method, path, &[], "").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}: {}", answer.body);
        assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    }
    assert_eq!(server.http("GET", "/health", &[], "").await.status, 200);
    assert_eq!(server.http("GET", "/ready", &[], "").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_path_says_which_methods_it_has() {
    let server = Server::start().await;
    server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"Hello"}"#).await;
    for (path, methods) in [
        ("/v1/docs/d", "PUT, GET, DELETE, HEAD, OPTIONS"),
        ("/v1/docs", "GET, HEAD, OPTIONS"),
        ("/v1/docs/d/revisions", "GET, HEAD, OPTIONS"),
        ("/v1/docs/d/edits", "POST, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/v1/connect", "GET, OPTIONS"),
    ] {
        let asked = server.http("OPTIONS", path, &[], "").await;
        assert_eq!((asked.status, asked.header("allow")), (204, Some(methods.to_lowercase())), "{path}");
        let refused = server.http("PATCH", path, &[], "").await;
        assert_eq!((refused.status, refused.code().as_str()), (405, "method_not_allowed"), "{path}");
        assert_eq!(refused.header("allow"), Some(methods.to_lowercase()), "{path}");
    }
    for path in ["/v1/docs/d", "/v1/docs/d/content", "/v1/docs/d/revisions", "/health"] {
        let (get, head) = (server.http("GET", path, &[], "").await, server.http("HEAD", path, &[], "").await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        for name in ["etag", "content-type", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
    server.stop().await;
}
