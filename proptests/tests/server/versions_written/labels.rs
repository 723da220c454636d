//! Labels over HTTP.

use proptests::live::Server;
use serde_json::{Value, json};

async fn ask(server: &Server, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = server.http(method, &format!("/v1/docs/d/labels{path}"), &[], &body).await;
    let json = if answer.body.is_empty() { Value::Null } else { answer.json() };
    (answer.status, json)
}

async fn server() -> Server {
    let server = Server::start().await;
    server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"Hello"}"#).await;
    server.http("POST", "/v1/docs/d/edits", &[], r#"{"version":1,"op":[5,"!"]}"#).await;
    server
}

#[tokio::test]
async fn a_label_names_a_version_until_it_is_taken_away() {
    let server = server().await;
    let (status, made) = ask(&server, "PUT", "/first%20draft", json!({"version": 1, "note": "to the editor"})).await;
    assert_eq!((status, &made["name"], &made["version"]), (201, &json!("first draft"), &json!(1)));
    assert_eq!(made["note"], "to the editor");
    // The same again is the same label.
    assert_eq!(
        ask(&server, "PUT", "/first%20draft", json!({"version": 1, "note": "to the editor"})).await,
        (200, made.clone())
    );
    assert_eq!(ask(&server, "GET", "/first%20draft", Value::Null).await, (200, made.clone()));
    // Without a version it names the newest, and needs no body at all.
    let (status, newest) = ask(&server, "PUT", "/%C3%84", Value::Null).await;
    assert_eq!((status, &newest["version"], &newest["name"]), (201, &json!(2), &json!("Ä")));
    let (_, beginning) = ask(&server, "PUT", "/empty", json!({"version": 0})).await;
    assert_eq!(ask(&server, "GET", "", Value::Null).await, (200, json!({"labels": [beginning, made, newest]})));
    assert_eq!(ask(&server, "DELETE", "/first%20draft", Value::Null).await, (204, Value::Null));
    assert_eq!(ask(&server, "GET", "/first%20draft", Value::Null).await.0, 404);
    // The name is free again.
    assert_eq!(ask(&server, "PUT", "/first%20draft", json!({"version": 2})).await.0, 201);
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_label_is_refused_with_what_is_wrong() {
    let server = server().await;
    assert_eq!(ask(&server, "PUT", "/a", json!({"version": 1})).await.0, 201);
    let long_name = format!("/{}", "x".repeat(101));
    let long_note = json!({"note": "x".repeat(1001)});
    for (method, path, body, status, code, says) in [
        ("PUT", "/a", json!({"version": 2}), 409, "label_exists", "names version 1, not 2"),
        ("PUT", "/a", json!({"version": 1, "note": "x"}), 409, "label_exists", "another note"),
        ("PUT", "/b", json!({"version": 3}), 409, "version_ahead", "version 3 does not exist, the document is at 2"),
        ("PUT", "/b", json!({"version": -1}), 400, "bad_message", "version"),
        ("PUT", "/b", long_note, 413, "too_large", "1001"),
        ("PUT", &long_name, Value::Null, 400, "bad_message", "101"),
        ("PUT", "/%00", Value::Null, 400, "bad_message", "control"),
        ("PUT", "/%ff", Value::Null, 400, "bad_message", "UTF-8"),
        ("GET", "/b", Value::Null, 404, "unknown_label", "no label \"b\""),
        ("DELETE", "/b", Value::Null, 404, "unknown_label", "no label \"b\""),
    ] {
        let (found, answer) = ask(&server, method, path, body).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{method} {path}: {answer}");
        assert!(message.contains(says), "{message:?} does not say {says:?}");
    }
    let (_, all) = ask(&server, "GET", "", Value::Null).await;
    assert_eq!(all["labels"].as_array().map(Vec::len), Some(1));
    server.stop().await;
}
