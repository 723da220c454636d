//! Labels: names that people give to versions.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;

use super::{Time, User, Version};

/// The name of a label: 1 to 100 characters of any sort but control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelName(CompactString);

impl LabelName {
    /// The longest name, in characters.
    pub const LENGTH_MAX: usize = 100;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no name of a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a label's name has 1 to 100 characters, none of them a control character; this one {0}")]
pub struct BadLabelName(String);

impl FromStr for LabelName {
    type Err = BadLabelName;

    fn from_str(text: &str) -> Result<Self, BadLabelName> {
        if text.is_empty() {
            return Err(BadLabelName("is empty".into()));
        }
        if let Some(odd) = text.chars().find(|c| c.is_control()) {
            return Err(BadLabelName(format!("contains {odd:?}")));
        }
        match text.chars().count() {
            length if length > Self::LENGTH_MAX => Err(BadLabelName(format!("has {length}"))),
            _ => Ok(LabelName(text.into())),
        }
    }
}

impl fmt::Display for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named version of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name, which no other label of the document has.
    pub name: LabelName,
    /// The version it names.
    pub version: Version,
    /// Who gave it.
    pub author: User,
    /// When.
    pub time: Time,
    /// Why; may be empty.
    pub note: String,
}

impl Label {
    /// The longest note, in characters.
    pub const NOTE_MAX: usize = 1000;

    /// Whether another request for this label asks for nothing new.
    pub fn is_same(&self, other: &Label) -> bool {
        (&self.name, self.version, &self.note) == (&other.name, other.version, &other.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_labels_are_checked() {
        for good in ["a", "first draft", "v1/2", "Ärger \u{1f600}", &"x".repeat(100)] {
            assert_eq!(good.parse::<LabelName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a\nb", "\u{7f}", &"x".repeat(101)] {
            assert!(bad.parse::<LabelName>().is_err(), "{bad:?} was taken");
        }
    }
}
