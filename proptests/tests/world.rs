//! The seeded world: fresh seeds at every run, the seeds that once found something, and the same world twice from one seed.
//!
//! `VARIORUM_SEED=N` begins the fresh seeds at N. A failure prints its seed and the command that runs the same world again.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use proptests::world::sweep::{Swept, replay_command, run_apart, sweep};

/// Worlds of fresh seeds at every run.
const FRESH: u64 = 200;

/// Seeds whose worlds found something, by what it was. The worlds of a seed are others whenever the generator changes; they
/// stay good seeds.
const FOUND: &[(u64, &str)] = &[
    (1037, "a client turned away by its own earlier connection, whose hello came late"),
    (1108, "the same, with the document open"),
    (1289, "a number of people that ran ahead of the names told"),
    (1_795_623_625, "departures forgotten untold when the clock jumped ahead"),
    (1_000_654, "an edit in flight, taken for done because a restored incarnation had taken that seq"),
    (1_795_830_375, "an answer to an opening that was given up, taken for that of the next"),
    (1_795_830_456, "a document made twice by one wish, because it was deleted before that was answered"),
];

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_proptests"))
}

fn all_well(swept: &Swept) {
    println!("{}", swept.summary());
    let told = |(seed, why): &(u64, String)| format!("seed {seed}: {why}\n  {}\n", replay_command(*seed));
    assert!(swept.failures.is_empty(), "\n{}", swept.failures.iter().map(told).collect::<String>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_comes_to_the_text_of_the_log_whatever_happened() {
    let base = match std::env::var("VARIORUM_SEED") {
        Ok(seed) => seed.parse().expect("VARIORUM_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_secs(),
    };
    println!("seeds {base}..{}", base + FRESH);
    let swept = sweep(program(), base..base + FRESH).await;
    all_well(&swept);
    // A sweep in which nothing goes wrong shows nothing.
    for fault in ["partition", "one way", "hold", "kill", "power cut", "stop", "sync error", "write error", "torn"] {
        assert!(swept.tally.faults.contains_key(fault), "no {fault} in {FRESH} worlds");
    }
    assert!(swept.tally.edits > FRESH * 100, "only {} edits were acknowledged", swept.tally.edits);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeds_that_found_something_find_nothing_any_more() {
    for (seed, what) in FOUND {
        let report = run_apart(program(), *seed).await.unwrap_or_else(|why| panic!("seed {seed} ({what}): {why}"));
        assert_eq!(report.problem, None, "seed {seed} ({what}): {}", replay_command(*seed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_is_the_same_world_in_every_process() {
    let (once, twice) = (sweep(program(), 1..11).await, sweep(program(), 1..11).await);
    assert_eq!(once.hashes.len(), 10, "{:?}", once.failures);
    assert_eq!(once.hashes, twice.hashes);
}
