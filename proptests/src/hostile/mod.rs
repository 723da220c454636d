//! Input that nobody means well with: what must hold for any bytes at all, and where such bytes come from.
//!
//! The same functions run here in process, over the corpus and seeded mutations of it, and under libFuzzer in
//! `proptests/fuzz`, which looks for inputs that reach new code.

mod innocent;
mod live;
mod messages;
mod mutate;
mod siege;
mod targets;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use innocent::{Innocent, percentile};
pub use live::{Attack, attack};
pub use mutate::Mutator;
pub use siege::{Plan, Siege, besiege};
pub use targets::{Door, message, op, record};

use tokio::runtime::{Builder, UnhandledPanic};

use crate::scribe::Scribe;

/// A function that any bytes may be given to. It panics if what must hold does not; it answers whether the bytes were
/// what they might have been.
pub type Target = fn(&[u8]) -> bool;

/// The targets that are functions, by the name of their corpus. The requests' target is [`Door`].
pub const TARGETS: [(&str, Target); 3] = [("op", op), ("message", message), ("record", record)];

/// The kept inputs of a target, in order of their names.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable directory").path()).collect();
    paths.sort();
    let mut inputs: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("a readable file")).collect();
    if target == "record" {
        // Records as they are written: their checksums would be tedious by hand.
        let mut scribe = Scribe::new("corpus", 1);
        inputs.extend(scribe.edits(64).iter().map(|revision| {
            let mut bytes = Vec::new();
            variorum::store::encode_record(variorum::store::Incarnation(7), revision, &mut bytes);
            bytes
        }));
    }
    assert!(!inputs.is_empty(), "there is a corpus of {target}");
    inputs
}

/// What a run of one target came to.
#[derive(Debug)]
pub struct Run {
    /// Inputs tried.
    pub tried: u64,
    /// Those that were what they might have been: the rest was turned away.
    pub taken: u64,
    /// How long it took.
    pub took: Duration,
}

/// Gives a target its corpus and `mutations` seeded mutations of it. An input that breaks it is printed before the panic
/// goes on.
pub fn run(name: &str, target: impl Fn(&[u8]) -> bool, mutations: u64, seed: u64) -> Run {
    let corpus = corpus(name);
    let mut mutator = Mutator::new(corpus.clone(), seed);
    let began = Instant::now();
    let mut taken = 0;
    for input in &corpus {
        taken += u64::from(guarded(name, &target, input));
    }
    for _ in 0..mutations {
        taken += u64::from(guarded(name, &target, mutator.next()));
    }
    Run { tried: corpus.len() as u64 + mutations, taken, took: began.elapsed() }
}

fn guarded(name: &str, target: &impl Fn(&[u8]) -> bool, input: &[u8]) -> bool {
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| target(input)));
    outcome.unwrap_or_else(|panic| {
        eprintln!("{name} broke on {:?}; keep it in fuzz/corpus/{name}", String::from_utf8_lossy(input));
        eprintln!("as bytes: {input:?}");
        std::panic::resume_unwind(panic)
    })
}

/// The command: both sorts, with their figures.
pub fn command(inputs: u64, frames: u64, pace: u64, seed: u64) -> Result<String, String> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    for (name, target) in TARGETS {
        let Run { tried, taken, took } = run(name, target, inputs, seed);
        println!("{name}: {tried} inputs, {taken} of them taken, in {:.0} s", took.as_secs_f64());
    }
    if inputs > 0 {
        let Run { tried, taken, took } = run_requests(inputs / 1000, seed);
        println!("request: {tried} inputs, {taken} of them answered, in {:.0} s", took.as_secs_f64());
    }
    if frames == 0 {
        return Ok("nothing panicked".into());
    }
    let directory = std::env::temp_dir().join(format!("variorum-siege-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|error| format!("no directory for the server: {error}"))?;
    let program = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    let plan = Plan { seed, frames, rounds: 20, per_second: (pace > 0).then_some(pace), calm: 200 };
    let siege = runtime.block_on(besiege(&program.to_string_lossy(), &directory, plan));
    let _ = std::fs::remove_dir_all(directory);
    let Siege { attack, calm, attacked, edits, resident } = siege;
    println!(
        "live: {} sent, {} frames of which {} got past the parser, {} requests, {} connections, {} MB heard",
        attack.sent,
        attack.sent - attack.requests,
        attack.messages,
        attack.requests,
        attack.connections,
        attack.heard >> 20
    );
    println!("memory: {} MB before, {} MB after", resident.0 >> 20, resident.1 >> 20);
    let said = format!(
        "an innocent's ack took {:?} (p50) and {:?} (p99) in calm, {:?} and {:?} under attack ({edits} edits)",
        calm.0, calm.1, attacked.0, attacked.1
    );
    if attacked.1 <= calm.1 * 2 { Ok(said) } else { Err(format!("{said}: more than twice as long")) }
}

/// Gives a server in memory mutated requests, each on a connection of its own. A task of the server's that panics ends the
/// run: its connection would only be closed, which says nothing.
pub fn run_requests(mutations: u64, seed: u64) -> Run {
    let runtime = Builder::new_current_thread().enable_all().unhandled_panic(UnhandledPanic::ShutdownRuntime).build();
    let runtime = runtime.expect("a runtime");
    let door = runtime.block_on(async { Door::open() });
    run("request", |input| runtime.block_on(door.request(input)), mutations, seed)
}
