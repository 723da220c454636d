//! The `variorum` command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    variorum::cli::run(variorum::cli::Cli::parse())
}
