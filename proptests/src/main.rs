//! The commands that go with the proofs: `cargo run --release -p proptests -- golden`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use proptests::{golden, mutants};

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
    /// Plant each bug of `proptests/mutants` in a copy of the tree and see that the suites catch it.
    Mutants {
        /// Only those whose names begin so: `03`, for instance.
        names: Vec<String>,
    },
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
        Command::Golden => golden::write().map_err(|error| error.to_string()),
        Command::Mutants { names } => mutants::hunt(&names),
        Command::Serve { flags } => return variorum("serve", flags),
        Command::Bench { flags } => return variorum("bench", flags),
    };
    match outcome {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
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
