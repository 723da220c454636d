//! Many worlds, each in a process of its own, on all cores.

use std::ops::Range;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Report, Tally};

/// Processor time that a world may take, in seconds, before it is taken for one that goes round in a circle: its simulated
/// time is bounded, and most take one or two. Whatever else the machine does, it is the same.
const PROCESSOR_SECONDS: u32 = 240;
/// How long it may take, in real time, before it is taken for one that waits for itself.
const AT_MOST: Duration = Duration::from_secs(7_200);

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Swept {
    /// Worlds run.
    pub worlds: u64,
    /// What happened in all of them.
    pub tally: Tally,
    /// The seeds that failed, and why, in order.
    pub failures: Vec<(u64, String)>,
    /// The hash of each seed's trace, in order.
    pub hashes: Vec<(u64, u64)>,
}

impl Swept {
    /// All of it in one line.
    pub fn summary(&self) -> String {
        let Tally { client_ms, edits, faults, events } = &self.tally;
        let list = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        format!(
            "{} worlds, {:.1} simulated client-hours, {edits} edits acknowledged, {} failures; faults: {}; also: {}",
            self.worlds,
            *client_ms as f64 / 3_600_000.0,
            self.failures.len(),
            list(faults),
            list(events)
        )
    }
}

/// How to see the world of a seed again.
pub fn replay_command(seed: u64) -> String {
    format!("cargo run --release -p proptests -- world --seed {seed} --trace")
}

/// Runs the world of a seed in a process of its own. `program` is the proofs' own.
pub async fn run_apart(program: &Path, seed: u64) -> Result<Report, String> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -t {PROCESSOR_SECONDS}; exec \"$0\" \"$@\"")).arg(program);
    command.args(["world", "--seed", &seed.to_string(), "--json"]).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(AT_MOST, command.output()).await;
    let output = output.map_err(|_| format!("it waits for something, for more than {} s", AT_MOST.as_secs()))?;
    let output = output.map_err(|error| format!("{} does not start: {error}", program.display()))?;
    if output.status.code().is_none() {
        return Err(format!("{}; it may take {PROCESSOR_SECONDS} s of processor time", output.status));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(said.lines().last().unwrap_or_default()).map_err(|_| {
        let why = String::from_utf8_lossy(&output.stderr);
        format!("it ended with {}: {}", output.status, why.lines().take(4).collect::<Vec<_>>().join(" / "))
    })
}

/// Runs the worlds of these seeds, as many at once as there are cores.
pub async fn sweep(program: &Path, seeds: Range<u64>) -> Swept {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} worlds, {elapsed} gone, {eta} to go, {msg}");
    let bar = ProgressBar::new(seeds.end - seeds.start);
    bar.set_style(style.expect("the template is well-formed"));
    let (next, swept) = (Arc::new(AtomicU64::new(seeds.start)), Arc::new(Mutex::new(Swept::default())));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = (0..cores).map(|_| {
        let (program, bar, next, swept) = (program.to_owned(), bar.clone(), next.clone(), swept.clone());
        tokio::spawn(async move {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                let report = run_apart(&program, seed).await;
                let mut swept = swept.lock();
                swept.worlds += 1;
                let problem = match report {
                    Err(why) => Some(why),
                    Ok(report) => {
                        swept.tally.add(&report.tally);
                        swept.hashes.push((seed, report.hash));
                        report.problem
                    }
                };
                if let Some(problem) = problem {
                    bar.suspend(|| eprintln!("seed {seed}: {problem}\n  {}", replay_command(seed)));
                    swept.failures.push((seed, problem));
                }
                bar.set_message(format!("{} failures", swept.failures.len()));
                bar.inc(1);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("a worker does not panic");
    }
    bar.finish_and_clear();
    let mut swept = std::mem::take(&mut *swept.lock());
    swept.failures.sort();
    swept.hashes.sort();
    swept
}
