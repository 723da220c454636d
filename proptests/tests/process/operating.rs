//! What an operator is shown: the metrics are those of the page, and they count what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use proptests::live::{self, Raw, Server, patient};
use proptests::page::Page;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
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

/// Reads one request, answers that it was taken, and gives its first line and body.
async fn collected(mut stream: TcpStream) -> (String, Vec<u8>) {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.expect("the exporter goes on");
        assert!(read > 0, "the exporter broke off after {} bytes", request.len());
        request.extend_from_slice(&piece[..read]);
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.expect("the body has a length");
        if request.len() == end + 4 + length {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
                .expect("it hears");
            return (head.lines().next().unwrap_or_default().to_owned(), request.split_off(end + 4));
        }
    }
}

#[tokio::test]
async fn logs_are_json_and_spans_reach_a_collector() {
    let collector = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/v1/traces", collector.local_addr().expect("it is bound"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_proptests"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--memory", "--log-format", "json", "--otlp", &url]);
    command.stderr(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
    let mut server = command.spawn().expect("the server starts");
    let mut lines = tokio::io::BufReader::new(server.stderr.take().expect("it is piped"));
    let said = loop {
        let mut line = String::new();
        patient(tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line)).await.expect("it says where it listens");
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(said["level"], "INFO", "{said}");
        if said["fields"]["message"] == "serving" {
            break said;
        }
    };
    let address = said["fields"]["address"].as_str().expect("an address").parse().expect("an address");

    let mut ana = Raw::connect(address).await;
    ana.hello(&live::secret("ana"), "Ana").await;
    ana.open("a-document", "").await;
    ana.edited("a-document", 0, 1, json!(["x"])).await;
    assert_eq!(live::http(address, "GET", "/v1/docs/a-document", &[], "").await.status, 200);
    let pid = server.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs").success());
    // What is left of the spans is sent before the process ends.
    let (stream, _) = patient(collector.accept()).await.expect("the exporter comes");
    let (request, spans) = patient(collected(stream)).await;
    assert_eq!(request, "POST /v1/traces HTTP/1.1");
    for name in ["variorum", "batch", "a-document", "request", "/v1/docs/{id}"] {
        assert!(spans.windows(name.len()).any(|part| part == name.as_bytes()), "the spans name {name}");
    }
    assert!(patient(server.wait()).await.expect("it ends").success());
    let mut rest = String::new();
    patient(lines.read_to_string(&mut rest)).await.expect("its lines are text");
    for line in rest.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}
