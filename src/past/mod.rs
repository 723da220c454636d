//! The commands on a document's versions, on a running server: `log`, `show`, `diff` and `blame` here, those that write in
//! `revise` and `prune`.

mod blame;
mod prune;
mod revise;
mod show;

use std::io::{IsTerminal, Write};
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use serde::Serialize;

use crate::client::{Http, Past, RequestError, Wanted};
use crate::document::{DocumentId, Time, Version};
use crate::protocol::{Paint, StretchView, UserView, diff_text};

pub use blame::{BlameFlags, blame};
pub use prune::{PruneFlags, prune};
pub use revise::{BranchFlags, LabelFlags, MergeFlags, RestoreFlags, branch, label, merge, restore};
pub use show::{ShowFlags, show};

/// The server and document that a command is about.
#[derive(Debug, Clone, Args)]
pub struct Where {
    /// The document
    #[arg(value_name = "DOC")]
    doc: DocumentId,
    /// The server
    #[arg(long, env = "VARIORUM_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    url: String,
    /// Access token, where the server asks for one
    #[arg(long, env = "VARIORUM_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Print what the server says, in JSON
    #[arg(long)]
    json: bool,
}

impl Where {
    fn past(&self) -> Result<Past, String> {
        Ok(Past::new(Http::new(&self.url, self.token.clone()).map_err(said)?, self.doc.clone()))
    }
}

/// What `variorum log` is given.
#[derive(Debug, Clone, Args)]
pub struct LogFlags {
    #[command(flatten)]
    place: Where,
    /// How many stretches at most
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u64,
    /// Begin at this version instead of the newest
    #[arg(long, value_name = "VERSION")]
    before: Option<u64>,
    /// Only what the person with this user id did
    #[arg(long, value_name = "ID")]
    author: Option<String>,
    /// How many seconds of pause end a stretch [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pause: Option<u64>,
}

/// Prints who wrote when, and how much, newest first.
pub async fn log(flags: LogFlags) -> Result<(), String> {
    let past = flags.place.past()?;
    let mut wanted = Wanted {
        before: flags.before.map(Version),
        limit: Some(flags.limit),
        author: flags.author,
        pause_ms: flags.pause.map(|seconds| seconds.saturating_mul(1000)),
    };
    let mut page = past.history(&wanted).await.map_err(said)?;
    // An answer about one person may hold fewer than there are.
    while page.more && (page.stretches.len() as u64) < flags.limit {
        wanted.before = Some(page.before);
        wanted.limit = Some(flags.limit - page.stretches.len() as u64);
        let next = past.history(&wanted).await.map_err(said)?;
        page.stretches.extend(next.stretches);
        (page.before, page.more) = (next.before, next.more);
    }
    if flags.place.json {
        return print_json(&page);
    }
    let mut lines: String = page.stretches.iter().map(line_of).collect();
    if page.more {
        lines += &format!("... more with --before {}\n", page.before);
    }
    print(&lines)
}

fn line_of(stretch: &StretchView) -> String {
    let versions = match stretch.version.0 - stretch.from.0 {
        1 => stretch.version.to_string(),
        _ => format!("{}-{}", stretch.from.next(), stretch.version),
    };
    let StretchView { began, time, added, removed, user, .. } = stretch;
    let took = Duration::from_secs(time.0.saturating_sub(began.0) / 1000);
    let took = humantime::format_duration(took);
    format!("{versions:>15}  {}  {:>8}  +{added} -{removed}  {}\n", date(*began), took.to_string(), name(user))
}

/// What `variorum diff` is given.
#[derive(Debug, Clone, Args)]
pub struct DiffFlags {
    #[command(flatten)]
    place: Where,
    /// The version to begin at [default: the one before TO]
    #[arg(value_name = "FROM")]
    from: Option<u64>,
    /// The version to lead to [default: the newest]
    #[arg(value_name = "TO")]
    to: Option<u64>,
}

/// Prints what differs between two versions.
pub async fn diff(flags: DiffFlags) -> Result<(), String> {
    let (from, to) = (flags.from.map(Version), flags.to.map(Version));
    let diff = flags.place.past()?.diff(from, to).await.map_err(said)?;
    if flags.place.json {
        return print_json(&diff);
    }
    let paint = if is_terminal() { Paint::COLOURS } else { Paint::PLAIN };
    let doc = &flags.place.doc;
    let (begin, end) = paint.heading;
    let heading = format!("{begin}--- {doc} at version {}\n+++ {doc} at version {}{end}\n", diff.from, diff.to);
    print(&(heading + &diff_text(&diff.runs, &paint)))
}

fn said(error: RequestError) -> String {
    error.to_string()
}

/// Whether people read along: colours are for them alone.
fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A moment, to the second, in UTC.
fn date(time: Time) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(time.0)).to_string()
}

/// A person as people know them.
fn name(user: &UserView) -> &str {
    if user.name.is_empty() { &user.id } else { &user.name }
}

fn print_json(value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    print(&(text + "\n"))
}

/// Prints, and takes a reader that has seen enough for no failure.
fn print(text: &str) -> Result<(), String> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
