//! The command `world`: one world, to see what happened in it, or a sweep of many.

use std::ops::Range;

use clap::Args;

use super::sweep::{replay_command, sweep};
use super::{Report, run};

/// Which worlds to run.
#[derive(Args)]
pub struct Command {
    /// The world of this seed.
    #[arg(long, conflicts_with = "seeds", required_unless_present = "seeds")]
    seed: Option<u64>,
    /// The worlds of these seeds, as `A..B`.
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Run each of the seeds twice, and compare.
    #[arg(long, requires = "seeds")]
    twice: bool,
    /// Print every event.
    #[arg(long, conflicts_with = "seeds")]
    trace: bool,
    /// Print the report as JSON.
    #[arg(long, conflicts_with = "seeds")]
    json: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let seeds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    seeds.filter(|seeds| seeds.start < seeds.end).ok_or_else(|| format!("expected A..B with A below B, got {text:?}"))
}

impl Command {
    /// Does it, and says what came of it.
    pub fn run(self) -> Result<String, String> {
        match (self.seed, self.seeds) {
            (Some(seed), _) => one(run(seed, self.trace), self.json),
            (None, Some(seeds)) => many(seeds, self.twice),
            (None, None) => Err("expected --seed or --seeds".into()),
        }
    }
}

fn one(report: Report, json: bool) -> Result<String, String> {
    if json {
        return Ok(serde_json::to_string(&report).expect("a report is JSON"));
    }
    let Report { seed, hash, lines, tally, problem } = report;
    let told = format!("seed {seed}: trace {hash:016x}, {lines} events, {tally:?}");
    match problem {
        None => Ok(told),
        Some(problem) => Err(format!("{told}\n{problem}\n{}", replay_command(seed))),
    }
}

fn many(seeds: Range<u64>, twice: bool) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program is not found: {error}"))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    let once = runtime.block_on(sweep(&program, seeds.clone()));
    let summary = once.summary();
    if !once.failures.is_empty() {
        return Err(summary);
    }
    if !twice {
        return Ok(summary);
    }
    let again = runtime.block_on(sweep(&program, seeds));
    let differ: Vec<_> = once.hashes.iter().zip(&again.hashes).filter(|(one, other)| one != other).collect();
    let (same, all) = (once.hashes.len() - differ.len(), once.hashes.len());
    let told = format!("{summary}\n{same} of {all} seeds gave the same trace twice");
    if differ.is_empty() { Ok(told) } else { Err(format!("{told}; not these: {differ:?}")) }
}
