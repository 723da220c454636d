//! What a server counts and measures, as `/metrics` shows it: one list, kept true in `docs/operating.md` by a test.
//!
//! Every part that does the work holds a clone and counts where the thing happens; counting is an atomic addition. A server has
//! a registry of its own, so that many can run in one process.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Counter, Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Seconds from half a millisecond to ten: a sync on good and on bad disks, a request that had to wait.
const SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Counts in powers of two, up to the largest batch.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The metrics of one server. Clones share their counts.
#[derive(Clone)]
pub struct Metrics(Arc<Counts>);

/// Each field is described where it is registered.
pub struct Counts {
    registry: Registry,
    /// TCP connections that are open.
    pub connections: IntGauge,
    /// TCP connections ever accepted.
    pub accepted: IntCounter,
    /// Clients that said hello and are connected.
    pub sessions: IntGauge,
    /// Documents in memory.
    pub documents: IntGauge,
    /// Edits by what became of them.
    pub edits: Edits,
    /// From an edit's arrival to its ack being ready: its wait, decision and commit.
    pub ack_seconds: Histogram,
    /// What readers were given.
    pub deliveries: Deliveries,
    /// Requests by status.
    pub requests: IntCounterVec,
    /// Error codes said, by where.
    pub errors: IntCounterVec,
    /// Times a limit was met, by its name.
    limit_hits: IntCounterVec,
    /// Whether the store takes edits.
    pub store_good: IntGauge,
    /// The embedded store's own.
    pub store: StoreCounts,
}

/// Edits by what became of them.
pub struct Edits {
    /// Taken, as a new revision.
    pub granted: IntCounter,
    /// Taken before, and answered with what it became.
    pub repeated: IntCounter,
    /// Refused, finally.
    pub refused: IntCounter,
    /// Of unknown outcome: the client sends it again.
    pub failed: IntCounter,
}

/// What readers were given.
pub struct Deliveries {
    /// One revision.
    pub single: IntCounter,
    /// Several revisions as one composed op.
    pub composed: IntCounter,
    /// A change of presence.
    pub presence: IntCounter,
}

/// What the embedded store does.
pub struct StoreCounts {
    /// Revisions in one commit.
    pub commit_revisions: Histogram,
    /// Time of one commit, nearly all of it its sync.
    pub commit_seconds: Histogram,
    /// Commits that failed.
    pub commit_failures: IntCounter,
    /// Bytes of journal rows.
    pub journal_bytes: IntCounter,
    /// Slices of derived rows.
    pub slices: IntCounter,
    /// Time the writer spent on them.
    pub slice_seconds: Counter,
    /// Revisions folded into pages.
    pub folded: IntCounter,
    /// Revisions squashed by pruning.
    pub pruned: IntCounter,
    /// Checkpoints of the write-ahead log.
    pub checkpoints: IntCounter,
    /// Bytes of the write-ahead log when last looked at.
    pub log_bytes: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl std::ops::Deref for Metrics {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.0
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Metrics that all stand at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        let edits = make.counters("variorum_edits_total", "edits by what became of them", &["outcome"]);
        let edit = |outcome| edits.with_label_values(&[outcome]);
        let delivered = make.counters("variorum_deliveries_total", "what readers were given, by form", &["form"]);
        let delivery = |form| delivered.with_label_values(&[form]);
        let info = make.counters("variorum_info", "always 1; the label says which version runs", &["version"]);
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).inc();
        #[cfg(target_os = "linux")]
        make.register(prometheus::process_collector::ProcessCollector::for_self());
        Metrics(Arc::new(Counts {
            connections: make.gauge("variorum_connections", "TCP connections that are open"),
            accepted: make.counter("variorum_connections_total", "TCP connections ever accepted"),
            sessions: make.gauge("variorum_sessions", "clients that said hello and are connected"),
            documents: make.gauge("variorum_documents", "documents in memory"),
            edits: Edits {
                granted: edit("granted"),
                repeated: edit("repeated"),
                refused: edit("refused"),
                failed: edit("failed"),
            },
            ack_seconds: make.histogram(
                "variorum_ack_seconds",
                "from an edit's arrival to its ack being ready, durable: wait, decision and commit",
                SECONDS,
            ),
            deliveries: Deliveries {
                single: delivery("single"),
                composed: delivery("composed"),
                presence: delivery("presence"),
            },
            requests: make.counters("variorum_http_requests_total", "HTTP requests answered, by status", &["status"]),
            errors: make.counters("variorum_errors_total", "error codes said, by where", &["on", "code"]),
            limit_hits: make.counters("variorum_limit_hits_total", "times a limit was met", &["limit"]),
            store_good: make.gauge("variorum_store_good", "1 while the store takes edits, else 0"),
            store: StoreCounts {
                commit_revisions: make.histogram(
                    "variorum_commit_revisions",
                    "revisions in one commit, of all documents together",
                    COUNTS,
                ),
                commit_seconds: make.histogram(
                    "variorum_commit_seconds",
                    "time of one commit; nearly all of it is its one sync",
                    SECONDS,
                ),
                commit_failures: make.counter("variorum_commit_failures_total", "commits that failed"),
                journal_bytes: make.counter("variorum_journal_bytes_total", "bytes of journal rows committed"),
                slices: make.counter("variorum_fold_slices_total", "slices of pages and other derived rows written"),
                slice_seconds: make.seconds("variorum_fold_seconds_total", "time the store's writer spent on slices"),
                folded: make.counter("variorum_folded_revisions_total", "revisions folded into pages"),
                pruned: make.counter("variorum_pruned_revisions_total", "revisions squashed by pruning"),
                checkpoints: make.counter("variorum_checkpoints_total", "checkpoints of the write-ahead log"),
                log_bytes: make.gauge("variorum_wal_bytes", "bytes of the write-ahead log when last looked at"),
            },
            registry: registry.clone(),
        }))
    }

    /// Counts that a limit was met; `limit` is its name in `variorum limits`.
    pub fn limit_hit(&self, limit: &str) {
        self.limit_hits.with_label_values(&[limit]).inc();
    }

    /// Everything, in Prometheus's text form.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("writing into memory does not fail");
        text
    }
}

/// Makes metrics and enters them into a registry.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn register(&self, collector: impl Collector + 'static) {
        self.0.register(Box::new(collector)).expect("every name is used once");
    }

    fn kept<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("names and labels are well-formed");
        self.register(metric.clone());
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.kept(IntCounter::new(name, help))
    }

    fn seconds(&self, name: &str, help: &str) -> Counter {
        self.kept(Counter::new(name, help))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.kept(IntGauge::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.kept(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.kept(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }
}
