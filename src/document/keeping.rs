//! How much of a document's history is kept.

use std::fmt;
use std::str::FromStr;

use super::Time;

/// What of a history stays. Labelled versions, and what branches need, always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Every version.
    All,
    /// Every version that was the newest at any time within so many seconds.
    For(u64),
    /// Nothing for its age.
    Labelled,
}

/// A text is no [`Keeping`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not say what is kept: expected `all`, `labels`, or a time such as `30d`, `12h`, `90m`, `60s`")]
pub struct BadKeeping(String);

impl Keeping {
    /// The time before which versions go; none if none do.
    pub fn until(self, now: Time) -> Option<Time> {
        match self {
            Keeping::All => None,
            Keeping::For(seconds) => Some(Time(now.0.saturating_sub(seconds * 1000))),
            Keeping::Labelled => Some(Time(u64::MAX >> 1)),
        }
    }
}

impl FromStr for Keeping {
    type Err = BadKeeping;

    fn from_str(text: &str) -> Result<Self, BadKeeping> {
        let bad = || BadKeeping(text.chars().take(100).collect());
        match text {
            "all" => return Ok(Keeping::All),
            "labels" => return Ok(Keeping::Labelled),
            _ => {}
        }
        let unit = text.chars().last().ok_or_else(bad)?;
        let seconds: u64 = match unit {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return Err(bad()),
        };
        let digits = &text[..text.len() - 1];
        // No sign, and no more than a few thousand years.
        if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let count: u64 = digits.parse().map_err(|_| bad())?;
        Ok(Keeping::For(count * seconds))
    }
}

impl fmt::Display for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Keeping::All => f.write_str("all"),
            Keeping::Labelled => f.write_str("labels"),
            Keeping::For(seconds) => match *seconds {
                seconds if seconds > 0 && seconds.is_multiple_of(86_400) => write!(f, "{}d", seconds / 86_400),
                seconds if seconds > 0 && seconds.is_multiple_of(3_600) => write!(f, "{}h", seconds / 3_600),
                seconds => write!(f, "{seconds}s"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_as_it_is_written() {
        for text in ["all", "labels", "30d", "12h", "90s"] {
            assert_eq!(text.parse::<Keeping>().unwrap().to_string(), text);
        }
        assert_eq!("2m".parse(), Ok(Keeping::For(120)));
        for text in ["", "d", "-1d", "+1d", "30", "1.5d", "30 d", "1234567d", "none", "30\u{e4}"] {
            assert!(text.parse::<Keeping>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_go_once_they_are_older_than_what_is_kept() {
        assert_eq!(Keeping::All.until(Time(5_000)), None);
        assert_eq!("2s".parse::<Keeping>().unwrap().until(Time(5_000)), Some(Time(3_000)));
        assert_eq!("9s".parse::<Keeping>().unwrap().until(Time(5_000)), Some(Time(0)));
    }
}
