//! Someone who only wants to write, and how long the server makes them wait.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::live::{Raw, secret};

/// The document that nobody else has open.
const DOC: &str = "innocent";
/// Time between an answer and the next edit: as fast as hands type.
const BETWEEN: Duration = Duration::from_millis(10);

/// A client whose every edit is timed from its sending to its ack.
pub struct Innocent {
    raw: Raw,
    version: u64,
    length: u64,
    seq: u64,
}

impl Innocent {
    /// Connects and opens its document.
    pub async fn arrive(address: SocketAddr) -> Self {
        let mut raw = Raw::connect(address).await;
        raw.hello(&secret("innocent"), "Ida").await;
        let opened = raw.open(DOC, "").await;
        let version = opened["version"].as_u64().expect("a version");
        let length = opened["content"].as_str().map_or(0, |content| content.chars().count() as u64);
        Innocent { raw, version, length, seq: opened["taken"]["seq"].as_u64().unwrap_or(0) }
    }

    /// Types one letter, or takes one back, and answers how long its ack took.
    pub async fn edit(&mut self) -> Duration {
        let grows = self.length < 20;
        let op: Value = match (grows, self.length) {
            (true, 0) => json!(["a"]),
            (true, length) => json!(["a", length]),
            (false, length) => json!([-1, length - 1]),
        };
        self.seq += 1;
        let asked = Instant::now();
        let ack = self.raw.edited(DOC, self.version, self.seq, op).await;
        let took = asked.elapsed();
        assert_eq!(ack["version"], json!(self.version + 1), "nobody else writes here: {ack}");
        self.version += 1;
        self.length = if grows { self.length + 1 } else { self.length - 1 };
        took
    }

    /// Types for as long as `more` says.
    pub async fn type_while(&mut self, mut more: impl FnMut(usize) -> bool) -> Vec<Duration> {
        let mut took = Vec::new();
        while more(took.len()) {
            took.push(self.edit().await);
            sleep(BETWEEN).await;
        }
        took
    }
}

/// The value that so many of a hundred are at or below.
pub fn percentile(samples: &mut [Duration], percent: usize) -> Duration {
    samples.sort();
    samples.get((samples.len() * percent / 100).min(samples.len().saturating_sub(1))).copied().unwrap_or_default()
}
