//! The commands that go with the proofs: `cargo run --release -p proptests -- golden`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use proptests::golden;

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
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Golden => golden::write(),
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
