//! The commands that go with the proofs: `cargo run --release -p proptests -- golden`.

use std::io::{self, BufWriter};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use proptests::{golden, hostile, model, mutants, twins, versions, world};

/// What goes with Variorum's proofs.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the golden vectors anew, into `proptests/golden`.
    Golden,
    /// Send every WebSocket message back: what a conformance suite speaks with.
    Echo {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:9001")]
        listen: std::net::SocketAddr,
    },
    /// Give the parsers mutated bytes and a server hostile messages, and say how they fared.
    Hostile {
        /// Mutated inputs to each target in process; requests are a thousandth of it.
        #[arg(long, default_value_t = 34_000_000)]
        inputs: u64,
        /// Frames and requests to a live server.
        #[arg(long, default_value_t = 1_000_000)]
        frames: u64,
        /// Frames and requests a second, while someone innocent is timed; 0 is as fast as possible.
        #[arg(long, default_value_t = 2_000)]
        pace: u64,
        /// Chooses all of them.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Try every interleaving of a few clients, edits and reconnects over the real machine and document.
    Model,
    /// Plant each bug of `proptests/mutants` in a copy of the tree and see that the suites catch it.
    Mutants {
        /// Only those whose names begin so: `03`, for instance.
        names: Vec<String>,
        /// How long the suites together may take to notice one.
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// Write random questions to the algebra with its answers, a line of JSON each.
    Ask {
        /// Makes the questions: the same ones for the same seed.
        #[arg(long)]
        seed: u64,
        /// How many.
        #[arg(long)]
        count: u64,
    },
    /// Answer the questions on standard input, a line of JSON each.
    Answer,
    /// Play the recordings and hold every version of them against a naive fold.
    Versions {
        /// Every single version; else each 97th.
        #[arg(long)]
        all: bool,
    },
    /// Measure how long it takes to read the past of a document.
    Measure {
        /// The directory of its store; what is in it is folded.
        data: std::path::PathBuf,
        /// The document.
        doc: String,
        /// How many requests of each sort.
        #[arg(long, default_value_t = 1_000)]
        times: u64,
    },
    /// Run any command of `variorum`, for the tests of the documentation.
    Run {
        /// The command.
        command: String,
        /// What it is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Run simulated worlds: one seed, or a sweep of many.
    World(world::Command),
    /// Serve, as `variorum serve` does: a process for the crash suite to kill.
    Serve {
        /// What `variorum serve` is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Measure, as `variorum bench` does: with this program as the server.
    Bench {
        /// What `variorum bench` is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Golden => said(golden::write()),
        Command::Echo { listen } => said(proptests::conformance::serve(listen)),
        Command::Hostile { inputs, frames, pace, seed } => said(hostile::command(inputs, frames, pace, seed)),
        Command::Model => said(model::command()),
        Command::Mutants { names, minutes } => said(mutants::hunt(&names, Duration::from_secs(60 * minutes))),
        Command::Ask { seed, count } => {
            twins::ask(seed, count, &mut BufWriter::new(io::stdout().lock())).map_err(|error| error.to_string())
        }
        Command::Answer => twins::answer(io::stdin().lock(), &mut BufWriter::new(io::stdout().lock()))
            .map_err(|error| error.to_string()),
        Command::Versions { all } => said(waiting(versions::check_recordings(if all { 1 } else { 97 }))),
        Command::Measure { data, doc, times } => said(waiting(versions::measure(data, &doc, times))),
        Command::Run { command, flags } => return variorum(&command, flags),
        Command::World(command) => said(command.run()),
        Command::Serve { flags } => return variorum("serve", flags),
        Command::Bench { flags } => return variorum("bench", flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn variorum(command: &str, flags: Vec<String>) -> ExitCode {
    let words = ["variorum", command].map(String::from).into_iter().chain(flags);
    variorum::cli::run(variorum::cli::Cli::parse_from(words))
}

/// Prints what a command has to say; an error as one sentence.
fn said<E: std::fmt::Display>(outcome: Result<String, E>) -> Result<(), String> {
    println!("{}", outcome.map_err(|error| error.to_string())?);
    Ok(())
}

/// Waits for what is done with a server.
fn waiting(done: impl Future<Output = Result<String, String>>) -> Result<String, String> {
    tokio::runtime::Runtime::new().map_err(|error| error.to_string())?.block_on(done)
}
