//! No crash loses, doubles or reorders an acknowledged edit.
//!
//! A real server process over a real directory is killed without warning at random moments, while writers always have an
//! edit in flight. `VARIORUM_CRASH_ROUNDS=1000 cargo test --release --workspace --test process -- crash:: --nocapture` does as many
//! rounds, and `VARIORUM_CRASH_SEED` chooses the moments.

use std::time::{Duration, Instant};

use proptests::process::Process;
use proptests::scribe::Dice;
use proptests::writers::Writers;

/// Rounds unless told otherwise.
const ROUNDS: u64 = 50;
/// Longest time between a start and the next kill.
const LIFE_MS: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crash_loses_doubles_or_reorders_an_acknowledged_edit() {
    let rounds = std::env::var("VARIORUM_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::start(env!("CARGO_BIN_EXE_proptests"), directory.path()).await;
    let began = Instant::now();
    let seed = std::env::var("VARIORUM_CRASH_SEED").map_or(std::process::id().into(), |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let writers = Writers::begin(server.address).await;
    for round in 0..rounds {
        if round % 2 == 0 {
            // Everyone has been answered since the last crash; in the other rounds nobody may even be back.
            writers.move_on().await;
        }
        // A random moment is the point of the exercise.
        tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MS))).await;
        server.kill().await;
        server.restart();
    }
    let writers = writers.stop().await;
    server.kill().await;
    server.restart();
    server.ready().await;
    let edits = writers.check().await;
    println!("{rounds} crashes, {edits} edits, {:.1} s", began.elapsed().as_secs_f64());
    server.kill().await;
}
