//! `variorum blame`: who wrote each line, and where a text that is gone went.

use clap::Args;

use super::{Where, date, is_terminal, name, print, print_json, said};
use crate::client::Past;
use crate::document::Version;
use crate::protocol::{Attributed, BlameBody, SearchBody};

/// What `variorum blame` is given.
#[derive(Debug, Clone, Args)]
pub struct BlameFlags {
    #[command(flatten)]
    place: Where,
    /// The version [default: the newest]
    #[arg(value_name = "VERSION")]
    version: Option<u64>,
    /// Instead of the lines: every place where this text has stood, who wrote it and who removed it
    #[arg(long, value_name = "TEXT", conflicts_with = "version")]
    find: Option<String>,
    /// With --find: only places where the text no longer stands
    #[arg(long, requires = "find")]
    gone: bool,
}

/// Prints each line after who wrote the newest of it.
pub async fn blame(flags: BlameFlags) -> Result<(), String> {
    let past = flags.place.past()?;
    if let Some(text) = &flags.find {
        let found = past.search(text, flags.gone).await.map_err(said)?;
        return match flags.place.json {
            true => print_json(&found),
            false => print(&places(&found)),
        };
    }
    let whole = whole_blame(&past, flags.version.map(Version)).await?;
    match flags.place.json {
        true => print_json(&whole),
        false => print(&lines(&whole, is_terminal())),
    }
}

/// A blame of several pages as one.
async fn whole_blame(past: &Past, version: Option<Version>) -> Result<BlameBody, String> {
    let mut whole = past.blame(version, 0).await.map_err(said)?;
    let mut end: u64 = whole.runs.iter().map(|run| run.length).sum();
    while whole.more {
        let page = past.blame(Some(whole.version), end).await.map_err(said)?;
        end += page.runs.iter().map(|run| run.length).sum::<u64>();
        let users: Vec<u32> = page.users.into_iter().map(|user| place_of(&mut whole, user)).collect();
        let runs = page.runs.into_iter().map(|run| Attributed { user: users[run.user as usize], ..run });
        whole.runs.extend(runs);
        whole.more = page.more;
    }
    Ok(whole)
}

fn place_of(whole: &mut BlameBody, user: crate::protocol::UserView) -> u32 {
    let there = whole.users.iter().position(|there| *there == user);
    there.unwrap_or_else(|| {
        whole.users.push(user);
        whole.users.len() - 1
    }) as u32
}

/// Colours for people on a terminal, in turn.
const COLOURS: [u8; 6] = [36, 33, 35, 32, 34, 31];

fn lines(blame: &BlameBody, colours: bool) -> String {
    let mut all = String::new();
    // The line so far, and the newest run in it.
    let (mut line, mut newest): (String, Option<&Attributed>) = (String::new(), None);
    let widest = blame.users.iter().map(|user| name(user).chars().count()).max().unwrap_or(0);
    let mut end_line = |line: &mut String, newest: &mut Option<&Attributed>| {
        if let Some(run) = newest.take() {
            let user = name(&blame.users[run.user as usize]);
            all += &format!("{:>8}  {user:<widest$}  {}  {line}\n", run.version.0, date(run.time));
        }
        line.clear();
    };
    for run in &blame.runs {
        for piece in run.text.as_deref().unwrap_or_default().split_inclusive('\n') {
            if newest.is_none_or(|newest| newest.version < run.version) {
                newest = Some(run);
            }
            let (text, ends) = piece.strip_suffix('\n').map_or((piece, false), |text| (text, true));
            match colours {
                true => line += &format!("\x1b[{}m{text}\x1b[0m", COLOURS[run.user as usize % COLOURS.len()]),
                false => line += text,
            }
            if ends {
                end_line(&mut line, &mut newest);
            }
        }
    }
    end_line(&mut line, &mut newest);
    all
}

fn places(found: &SearchBody) -> String {
    if found.found.is_empty() {
        return format!("it has stood nowhere in versions {} to {}\n", found.since, found.until);
    }
    let by = |user: u32| name(&found.users[user as usize]);
    let mut all = String::new();
    for place in &found.found {
        let (Some(version), Some(user), Some(time)) = (place.version, place.user, place.time) else { continue };
        let came = format!("version {version}: {} at character {}, {}", by(user), place.position, date(time));
        let went = match &place.gone {
            None => "still there".to_owned(),
            Some(gone) => {
                let (by, at) = (by(gone.user), gone.position);
                format!("gone in version {}: {by} at character {at}, {}", gone.version, date(gone.time))
            }
        };
        all += &format!("{came}\n    {went}\n");
    }
    if found.more {
        all += "... and older ones\n";
    }
    all
}
