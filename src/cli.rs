//! The command line: what each command is given, and how it is begun.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use tracing::{info, warn};

use crate::bench;
use crate::config::{Config, Flags, Keep};
use crate::files;
use crate::hub::System;
use crate::logs;
use crate::metrics::Metrics;
use crate::past;
use crate::replay;
use crate::server::{
    self, BadNetwork, BadOrigin, Entry, Origins, Parts, Policy, Proxies, SECRET_BYTES, Secret, Tokens,
};
use crate::shutdown;
use crate::store::{MemoryStore, SqliteOptions, SqliteStore, Store};
use crate::token;
use crate::upkeep;

/// A document server for people who write together: every keystroke kept, every version readable.
#[derive(Debug, Parser)]
#[command(name = "variorum", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logs: logs::Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve documents over WebSocket and HTTP
    Serve(Flags),
    /// Read everything that a data directory holds, also beside a running server, and say what is wrong
    Verify(upkeep::Data),
    /// Copy a data directory, also while a server writes to it
    Backup(upkeep::BackupFlags),
    /// Write a document with all its history as lines of JSON, also beside a running server
    Export(upkeep::ExportFlags),
    /// Take in a document that `export` wrote; the server must not run
    Import(upkeep::ImportFlags),
    /// Play a recorded editing session against a running server, and compare what comes out
    Replay(replay::Flags),
    /// Measure what a server costs under load, beside the least that the same traffic could cost
    Bench(bench::Flags),
    /// Who wrote when, and how much
    Log(past::LogFlags),
    /// The content at a version
    Show(past::ShowFlags),
    /// What differs between two versions
    Diff(past::DiffFlags),
    /// Who wrote each line, and where a text that is gone went
    Blame(past::BlameFlags),
    /// Name a version, or list the names
    Label(past::LabelFlags),
    /// Take back a version, a stretch of history or one person's share of it
    Restore(past::RestoreFlags),
    /// Make a document that begins at a version of another, or list those there are
    Branch(past::BranchFlags),
    /// Take over what was written on a branch
    Merge(past::MergeFlags),
    /// Squash what of a document's history need not be kept
    Prune(past::PruneFlags),
    /// Show every limit: what it is set to, why, and how it is set
    Limits(Flags),
    /// Make an access token for trying
    Token(token::Flags),
}

/// Runs a command. A failure is one sentence on standard error.
pub fn run(cli: Cli) -> ExitCode {
    let done = logs::start(&cli.logs).map_err(|error| error.to_string()).and_then(|logs| {
        let done = match cli.command {
            Command::Serve(flags) => wait_for(serve(flags)),
            Command::Verify(data) => upkeep::run_verify(&data),
            Command::Backup(flags) => upkeep::run_backup(&flags),
            Command::Export(flags) => upkeep::run_export(&flags),
            Command::Import(flags) => wait_for(upkeep::run_import(flags)),
            Command::Replay(flags) => wait_for(replay::run(flags)),
            Command::Bench(flags) => bench::run(flags),
            Command::Log(flags) => wait_for(past::log(flags)),
            Command::Show(flags) => wait_for(past::show(flags)),
            Command::Diff(flags) => wait_for(past::diff(flags)),
            Command::Blame(flags) => wait_for(past::blame(flags)),
            Command::Label(flags) => wait_for(past::label(flags)),
            Command::Restore(flags) => wait_for(past::restore(flags)),
            Command::Branch(flags) => wait_for(past::branch(flags)),
            Command::Merge(flags) => wait_for(past::merge(flags)),
            Command::Prune(flags) => wait_for(past::prune(flags)),
            Command::Limits(flags) => limits(flags),
            Command::Token(flags) => token::run(flags),
        };
        drop(logs);
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("variorum: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// The threads that a server runs on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    // One core is left to the store's writer: on small machines, fewer workers wake each other less.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(cores.saturating_sub(1).max(1)).enable_all().build();
    runtime.map_err(|error| format!("the runtime cannot be started: {error}"))
}

fn wait_for(command: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = runtime()?;
    let done = runtime.block_on(command);
    // A read that hangs on a dead disk must not hold the process back.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    done
}

async fn serve(flags: Flags) -> Result<(), String> {
    let mut config = Config::settle(flags).map_err(|error| error.to_string())?;
    if let Some(sentence) = files::fit(&mut config.limits, files::raise_open_files_max()) {
        info!("{sentence}");
    }
    let metrics = Metrics::new();
    let entry = entry(&config)?;
    let origins = origins(&config)?;
    let proxies = config.trusted_proxy.iter().map(|proxy| proxy.parse()).collect::<Result<_, BadNetwork>>();
    let proxies = Proxies(proxies.map_err(|error| error.to_string())?);
    let store: Arc<dyn Store> = match &config.keep {
        Keep::Memory => Arc::new(MemoryStore::new()),
        Keep::Directory { path, accept_loss } => {
            let options = SqliteOptions { accept_loss: *accept_loss, metrics: metrics.clone() };
            Arc::new(SqliteStore::open(path, options).map_err(|error| error.to_string())?)
        }
    };
    let listener =
        server::bind(config.listen).map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let address = listener.local_addr().map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    info!(%address, url = %format_args!("http://{address}"), "serving");
    let keeping = Policy::new(config.keep_history);
    let world = Arc::new(System);
    let parts = Parts { store, world, limits: config.limits, proxies, metrics, entry, origins, keeping };
    server::run(parts, listener, shutdown::asked_by_system()).await;
    Ok(())
}

fn limits(flags: Flags) -> Result<(), String> {
    let config = Config::settle(flags).map_err(|error| error.to_string())?;
    println!("Set one by --limit NAME=VALUE, by its variable, or in the settings file under [limits].\n");
    for row in config.limits.rows() {
        let variable = row.variable();
        println!("{:<26} {:>10} {:<12} {variable}\n    {}", row.name, row.value, row.unit, row.reason);
    }
    Ok(())
}

/// Which web pages may use the server.
fn origins(config: &Config) -> Result<Origins, String> {
    let (any, named): (Vec<_>, Vec<_>) = config.allow_origin.iter().partition(|origin| *origin == "*");
    let allowed = named.into_iter().map(|origin| origin.parse()).collect::<Result<_, BadOrigin>>();
    let local_names_only = config.auth.is_none() && !config.open;
    Ok(Origins { allowed: allowed.map_err(|error| error.to_string())?, any: !any.is_empty(), local_names_only })
}

/// Who is let in. Whoever starts a server should see it.
fn entry(config: &Config) -> Result<Entry, String> {
    let Some(auth) = &config.auth else {
        if config.listen.ip().is_loopback() {
            info!("no --auth-secret: everyone on this machine may read, change and delete every document");
        } else {
            warn!("--open: everyone who reaches this server may read, change and delete every document");
        }
        return Ok(Entry::Open);
    };
    let secret = Secret::read(&auth.secret).map_err(|error| error.to_string())?;
    if secret.is_short() {
        warn!("the secret is shorter than {SECRET_BYTES} bytes, and so easier to guess than it should be");
    }
    Ok(Entry::Tokens(Box::new(Tokens::new(&secret, auth.audience.clone()))))
}
