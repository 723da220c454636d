//! `variorum show`: the content at a version or at a time.

use clap::Args;

use super::{Where, print, print_json, said};
use crate::client::When;
use crate::document::{Time, Version};

/// What `variorum show` is given.
#[derive(Debug, Clone, Args)]
pub struct ShowFlags {
    #[command(flatten)]
    place: Where,
    /// The version [default: the newest]
    #[arg(value_name = "VERSION")]
    version: Option<u64>,
    /// The newest version at this time, as in 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "version", value_parser = moment)]
    at: Option<Time>,
}

/// Prints the content, and nothing else.
pub async fn show(flags: ShowFlags) -> Result<(), String> {
    let when = match (flags.version, flags.at) {
        (Some(version), _) => When::Version(Version(version)),
        (None, Some(time)) => When::At(time),
        (None, None) => When::Now,
    };
    let snapshot = flags.place.past()?.content(when).await.map_err(said)?;
    match flags.place.json {
        true => print_json(&snapshot),
        false => print(snapshot.content.as_deref().unwrap_or_default()),
    }
}

/// A moment as people write it, or in milliseconds since 1970.
fn moment(text: &str) -> Result<Time, String> {
    if let Ok(ms) = text.parse() {
        return Ok(Time(ms));
    }
    let time = humantime::parse_rfc3339_weak(text).map_err(|error| error.to_string())?;
    let since = time.duration_since(std::time::UNIX_EPOCH).map_err(|error| error.to_string())?;
    Ok(Time(since.as_millis() as u64))
}
