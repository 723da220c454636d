//! The command `variorum replay`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Target, Trace, compare, replay};
use crate::document::DocumentId;

/// What is given on the command line.
#[derive(Debug, Clone, Args)]
pub struct Flags {
    /// The recording: an editing trace, .json or .json.gz
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The server
    #[arg(long, env = "VARIORUM_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    url: String,
    /// Access token, where the server asks for one
    #[arg(long, env = "VARIORUM_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The document to write [default: the trace's name with a random end]
    #[arg(long, value_name = "ID")]
    doc: Option<DocumentId>,
    /// Make every `e` an astral character (U+1D452)
    #[arg(long)]
    astral: bool,
    /// Type on without waiting for the server, so that several transactions become one revision (one person's traces only)
    #[arg(long)]
    batch: bool,
    /// Go on in a document that was written to before: it is emptied first, as one edit
    #[arg(long, requires = "doc")]
    again: bool,
    /// Type nothing: only compare the document with the trace's end, after a restart of the server for instance
    #[arg(long, requires = "doc")]
    compare: bool,
}

/// Runs the command. What went wrong is one sentence.
pub async fn run(flags: Flags) -> Result<(), String> {
    let mut trace = Trace::read(&flags.trace).map_err(|error| error.to_string())?;
    if flags.astral {
        trace = trace.astral();
    }
    if flags.batch && trace.agents() > 1 {
        return Err("only a recording of one person can be typed without waiting; this one has several".into());
    }
    let doc = match flags.doc {
        Some(doc) => doc,
        None => name(&flags.trace)?,
    };
    let target = Target { url: flags.url, token: flags.token, doc, again: flags.again, batch: flags.batch };
    if flags.compare {
        let version = compare(&trace, &target).await.map_err(|failure| failure.to_string())?;
        println!("{}: equal to the trace's end at version {version}", target.doc);
        return Ok(());
    }
    let bar = bar(trace.transactions() as u64);
    let ticking = bar.clone();
    let (agents, length) = (trace.agents(), trace.end.chars().count());
    let replayed = replay(Arc::new(trace), &target, move || ticking.inc(1)).await;
    bar.finish_and_clear();
    let report = replayed.map_err(|failure| failure.to_string())?;
    let seconds = report.took.as_secs_f64();
    println!(
        "{}: {} edits by {agents} in {seconds:.1} s, {:.0} edits/s; {} revisions; {length} characters, equal everywhere",
        target.doc,
        report.transactions,
        report.transactions as f64 / seconds,
        report.version,
    );
    Ok(())
}

/// The trace's name, with an end that makes it a new document.
fn name(trace: &std::path::Path) -> Result<DocumentId, String> {
    let file = trace.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let stem: String = file.split('.').next().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
    let mut end = [0; 4];
    getrandom::fill(&mut end).map_err(|error| format!("the operating system has no randomness: {error}"))?;
    let name = format!("trace-{stem}-{:08x}", u32::from_le_bytes(end));
    name.parse().map_err(|error: crate::document::BadDocumentId| error.to_string())
}

fn bar(transactions: u64) -> ProgressBar {
    let style = "{bar:40} {pos}/{len} edits, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(transactions).with_style(style)
}
