//! What was measured, for people and as JSON.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::tally::Tally;

/// What was counted while people typed.
pub(super) struct Window {
    pub(super) seconds: f64,
    /// Nanoseconds of the server's processor time, by thread.
    pub(super) cpu: BTreeMap<String, u64>,
    /// Bytes the server handed to the disk.
    pub(super) written: u64,
    /// The server's syncs, if it counts them.
    pub(super) syncs: Option<u64>,
    pub(super) resident: u64,
    /// Bytes that the clients received and sent.
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) load_average: f64,
    pub(super) tally: Tally,
}

/// One window as figures. Times of a processor are the server's alone.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    pub(super) edits: u64,
    pub(super) edits_per_second: f64,
    pub(super) deliveries: u64,
    pub(super) cpu_us_per_edit: f64,
    pub(super) cpu_us_per_delivery: f64,
    /// Share of each thread in the time, in µs an edit.
    pub(super) cpu_us_per_edit_by_thread: BTreeMap<String, f64>,
    pub(super) edits_per_sync: Option<f64>,
    pub(super) syncs: Option<u64>,
    pub(super) ack_ms: Percentiles,
    pub(super) screens_ms: Percentiles,
    pub(super) bytes_to_clients_per_edit: f64,
    pub(super) bytes_from_clients_per_edit: f64,
    pub(super) bytes_to_disk_per_edit: f64,
    pub(super) resident_mb: f64,
    pub(super) load_average: f64,
}

/// Two percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Percentiles {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |percentile| histogram.value_at_percentile(percentile) as f64 / 1_000.0;
        Percentiles { p50: at(50.0), p99: at(99.0) }
    }
}

impl Figures {
    pub(super) fn of(window: &Window) -> Self {
        let tally = &window.tally;
        let edits = tally.edits.max(1) as f64;
        let us = |ns: u64| ns as f64 / 1_000.0;
        let cpu: f64 = window.cpu.values().copied().map(us).sum();
        let by_thread = window.cpu.iter().map(|(thread, ns)| (thread.clone(), us(*ns) / edits));
        Figures {
            edits: tally.edits,
            edits_per_second: edits / window.seconds,
            deliveries: tally.deliveries,
            cpu_us_per_edit: cpu / edits,
            cpu_us_per_delivery: cpu / tally.deliveries.max(1) as f64,
            cpu_us_per_edit_by_thread: by_thread.filter(|(_, us)| *us >= 0.05).collect(),
            edits_per_sync: window.syncs.filter(|syncs| *syncs > 0).map(|syncs| edits / syncs as f64),
            syncs: window.syncs,
            ack_ms: Percentiles::of(&tally.to_ack),
            screens_ms: Percentiles::of(&tally.to_screens),
            bytes_to_clients_per_edit: window.received as f64 / edits,
            bytes_from_clients_per_edit: window.sent as f64 / edits,
            bytes_to_disk_per_edit: window.written as f64 / edits,
            resident_mb: window.resident as f64 / f64::from(1 << 20),
            load_average: window.load_average,
        }
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let threads: Vec<_> =
            self.cpu_us_per_edit_by_thread.iter().map(|(thread, us)| format!("{thread} {us:.1}")).collect();
        let per_sync = self.edits_per_sync.map_or_else(|| "?".to_owned(), |edits| format!("{edits:.1}"));
        format!(
            "{:>8.0} edits/s | {:>7.1} µs/edit, {:>5.1} µs/delivery ({}) | {per_sync} edits/sync | ack {:.2} / {:.1} ms, \
             screens {:.2} / {:.1} ms | {:.0} B out, {:.0} B in, {:.0} B to disk an edit | {:.0} MB | load {:.1}",
            self.edits_per_second,
            self.cpu_us_per_edit,
            self.cpu_us_per_delivery,
            threads.join(", "),
            self.ack_ms.p50,
            self.ack_ms.p99,
            self.screens_ms.p50,
            self.screens_ms.p99,
            self.bytes_to_clients_per_edit,
            self.bytes_from_clients_per_edit,
            self.bytes_to_disk_per_edit,
            self.resident_mb,
            self.load_average,
        )
    }
}

/// A figure with what it should stay within, if there is such a bar.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measured {
    pub(super) what: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    pub(super) bar: Option<f64>,
}

impl Measured {
    pub(super) fn new(what: &'static str, value: f64, unit: &'static str, bar: Option<f64>) -> Self {
        Measured { what, value, unit, bar }
    }

    fn line(&self) -> String {
        let bar = match self.bar {
            Some(bar) if self.value <= bar => format!("  (at most {bar}: holds)"),
            Some(bar) => format!("  (at most {bar}: DOES NOT HOLD)"),
            None => String::new(),
        };
        format!("  {:<44} {:>10.2} {}{bar}", self.what, self.value, self.unit)
    }
}

/// What one workload showed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) workload: &'static str,
    pub(super) figures: Vec<Measured>,
    /// Every window on the server and on the floor, in turn.
    pub(super) server: Vec<Figures>,
    pub(super) floor: Vec<Figures>,
    /// Documents whose text was held against the server's, on every client.
    pub(super) documents_compared: usize,
}

impl Report {
    pub(super) fn new(workload: &'static str) -> Self {
        Report { workload, figures: Vec::new(), server: Vec::new(), floor: Vec::new(), documents_compared: 0 }
    }

    pub(super) fn print(&self) {
        println!("{}", self.workload);
        self.server.iter().for_each(|figures| println!("  server {}", figures.line()));
        self.floor.iter().for_each(|figures| println!("  floor  {}", figures.line()));
        self.figures.iter().for_each(|measured| println!("{}", measured.line()));
        println!("  documents whose text is the server's on every client: {}", self.documents_compared);
    }
}

/// The middle of some values.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
