//! What an operator is shown: the metrics are those of the page, and they count what happens.

use std::collections::{BTreeMap, BTreeSet};

use proptests::live::Server;
use proptests::page::Page;
use serde_json::json;
use variorum::metrics::Metrics;

/// The samples of a text in Prometheus's form, by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let pairs = lines.map(|line| line.rsplit_once(' ').expect("a sample is a name and a value"));
    pairs.map(|(name, value)| (name.to_owned(), value.parse().expect("a value is a number"))).collect()
}

#[test]
fn the_page_lists_every_metric_with_its_kind() {
    let page = Page::read("operating.md");
    let rows = page.table("| metric | kind | says |");
    let listed: BTreeSet<_> = rows.iter().map(|row| (row[0].trim_matches('`').to_owned(), row[1].to_owned())).collect();
    let metrics = Metrics::new();
    // A family with labels shows nothing before its first sample.
    metrics.limit_hit("any");
    metrics.requests.with_label_values(&["200"]).inc();
    metrics.errors.with_label_values(&["http", "not_found"]).inc();
    let text = String::from_utf8(metrics.text()).expect("metrics are text");
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let kinds = kinds.map(|line| line.split_once(' ').expect("a name and a kind"));
    let (process, ours): (BTreeSet<_>, BTreeSet<_>) = kinds
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .partition(|(name, _)| name.starts_with("process_"));
    assert_eq!(ours, listed);
    for (name, _) in process {
        assert!(page.text.contains(&format!("`{name}`")), "the page does not name {name}");
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = Server::start().await;
    let (mut ana, mut ben) = (server.client("ana").await, server.client("ben").await);
    ana.open("d", "").await;
    ben.open("d", "").await;
    ana.edited("d", 0, 1, json!(["Hello"])).await;
    ben.hears("revision").await;
    ben.say(json!({"type": "edit", "doc": "d", "version": 1, "seq": 1, "op": [4]})).await;
    ben.hears("refused").await;
    assert_eq!(server.http("GET", "/v1/docs/none", &[], "").await.status, 404);

    let answer = server.http("GET", "/metrics", &[], "").await;
    assert_eq!(answer.header("content-type").as_deref(), Some("text/plain; version=0.0.4"));
    let samples = samples(&answer.body);
    for (name, value) in [
        (r#"variorum_sessions"#, 2.0),
        (r#"variorum_documents"#, 1.0),
        (r#"variorum_store_good"#, 1.0),
        (r#"variorum_edits_total{outcome="granted"}"#, 1.0),
        (r#"variorum_edits_total{outcome="refused"}"#, 1.0),
        (r#"variorum_ack_seconds_count"#, 1.0),
        (r#"variorum_deliveries_total{form="single"}"#, 1.0),
        (r#"variorum_errors_total{code="length_mismatch",on="socket"}"#, 1.0),
        (r#"variorum_errors_total{code="unknown_document",on="http"}"#, 1.0),
        (r#"variorum_http_requests_total{status="101"}"#, 2.0),
        (r#"variorum_http_requests_total{status="404"}"#, 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in {}", answer.body);
    }
    assert!(samples["variorum_connections"] >= 2.0, "{}", answer.body);
    server.stop().await;
}
