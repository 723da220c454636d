//! The commands that write with versions, each a process of its own as people run them.

use proptests::live::Server;
use serde_json::{Value, json};

/// What a command prints, or says where it fails.
async fn run(server: &Server, command: &[&str]) -> Result<String, String> {
    let ran = tokio::process::Command::new(env!("CARGO_BIN_EXE_proptests"))
        .arg("run")
        .args(command)
        .args(["--url", &format!("http://{}", server.address)])
        .output();
    let ran = ran.await.expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("a command prints text");
    if ran.status.success() { Ok(text(ran.stdout)) } else { Err(text(ran.stderr)) }
}

async fn done(server: &Server, command: &[&str]) -> String {
    run(server, command).await.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

async fn content(server: &Server, doc: &str) -> String {
    server.http("GET", &format!("/v1/docs/{doc}/content"), &[], "").await.body
}

async fn put(server: &Server, doc: &str, text: &str) {
    let put = server.http("PUT", &format!("/v1/docs/{doc}/content"), &[("If-Match", "*")], text).await;
    assert_eq!(put.status, 200, "{put:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_restores_branches_merges_and_pruning_by_command() {
    let server = Server::start().await;
    server.http("PUT", "/v1/docs/d", &[], r#"{"kind": "text", "content": "The quick fox"}"#).await;
    put(&server, "d", "The quick fox jumps").await;

    assert_eq!(
        done(&server, &["label", "d", "first draft", "--version", "1"]).await,
        "version 1 of d is \"first draft\"\n"
    );
    assert!(done(&server, &["label", "d"]).await.contains("first draft"));
    let refused = run(&server, &["label", "d", "later", "--version", "9"]).await.unwrap_err();
    assert!(refused.contains("version 9 does not exist, the document is at 2"), "{refused}");

    let preview = done(&server, &["restore", "d", "1", "--preview"]).await;
    assert_eq!(preview, "would be done by [13,-6]\n");
    assert_eq!(done(&server, &["restore", "d", "1"]).await, "done, as version 3\n");
    assert_eq!(content(&server, "d").await, "The quick fox");
    assert!(done(&server, &["restore", "d", "1"]).await.starts_with("nothing is to be taken back"));
    assert_eq!(done(&server, &["restore", "d", "--from", "2", "--to", "3"]).await, "done, as version 4\n");
    assert_eq!(content(&server, "d").await, "The quick fox jumps");

    assert_eq!(done(&server, &["branch", "d", "d-b", "--version", "1"]).await, "d-b begins at version 1 of d\n");
    assert!(done(&server, &["branch", "d"]).await.contains("at version 1, now at 1  d-b"));
    put(&server, "d-b", "The brisk fox").await;
    let preview = done(&server, &["merge", "d", "d-b", "--preview"]).await;
    assert_eq!(preview, "versions 2 to 2 of d-b would be merged, as versions 5 to 5\n");
    assert_eq!(done(&server, &["merge", "d", "d-b"]).await, "versions 2 to 2 of d-b are merged, as versions 5 to 5\n");
    assert_eq!(content(&server, "d").await, "The brisk fox jumps");
    assert!(done(&server, &["merge", "d", "d-b"]).await.starts_with("nothing new on d-b"));
    let merged: Value = serde_json::from_str(&done(&server, &["merge", "d", "d-b", "--json"]).await).unwrap();
    assert_eq!((&merged["repeated"], &merged["version"]), (&json!(true), &json!(5)));
    assert!(run(&server, &["merge", "d-b", "d"]).await.unwrap_err().contains("not_a_branch"));

    assert_eq!(done(&server, &["label", "d", "first draft", "--delete"]).await, "");
    let pruned = done(&server, &["prune", "d", "--keep", "labels"]).await;
    assert_eq!(pruned, "0 versions were squashed; all are kept from version 0 on\n");
    assert!(run(&server, &["prune", "d", "--keep", "soon"]).await.unwrap_err().contains("soon"));
    server.stop().await;
}
