//! A JSON object as its fields, unparsed: a message is read by its `type`, and fields that it does not have are ignored
//! whatever they hold.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// The fields of one object, in the order sent. Of two with one name the later one counts, as in JavaScript.
pub(super) struct Fields<'a>(SmallVec<[(Cow<'a, str>, &'a RawValue); 8]>);

impl<'a> Fields<'a> {
    /// Splits an object into its fields.
    pub(super) fn parse(json: &'a str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// The JSON text of a field; `None` if it is not there.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }

    /// An optional field; `null` counts as absent.
    pub(super) fn optional<T: Deserialize<'a>>(&self, name: &str, expected: &str) -> Result<Option<T>, String> {
        match self.raw(name) {
            None | Some("null") => Ok(None),
            Some(json) => match serde_json::from_str(json) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(format!("field `{name}` is {}; expected {expected}", shown(json))),
            },
        }
    }

    /// A field that must be there.
    pub(super) fn required<T: Deserialize<'a>>(&self, name: &str, expected: &str) -> Result<T, String> {
        self.optional(name, expected)?.ok_or_else(|| format!("field `{name}` is missing; expected {expected}"))
    }

    /// A number below 2^53 and at least `least`.
    pub(super) fn number(&self, name: &str, least: u64) -> Result<u64, String> {
        let expected = format!("a whole number from {least} to 2^53-1");
        let number = self.required::<u64>(name, &expected)?;
        if number < least || number > crate::ot::LENGTH_MAX {
            return Err(format!("field `{name}` is {number}; expected {expected}"));
        }
        Ok(number)
    }

    /// As [`Fields::number`], where it may be left out.
    pub(super) fn optional_number(&self, name: &str, least: u64) -> Result<Option<u64>, String> {
        match self.raw(name) {
            None | Some("null") => Ok(None),
            Some(_) => self.number(name, least).map(Some),
        }
    }
}

/// The beginning of a value, for an error message.
fn shown(json: &str) -> String {
    let mut short: String = json.chars().take(40).collect();
    if short.len() < json.len() {
        short.push('…');
    }
    short
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = SmallVec::new();
                while let Some(Key(key)) = map.next_key()? {
                    fields.push((key, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A field's name: borrowed from the message unless it was written with escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl<'de> Visitor<'de> for Name {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a field's name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Name)
    }
}

/// Whether JSON text escapes half of a surrogate pair, which stands for no character.
pub(super) fn has_lone_surrogate(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut from = 0;
    // An escape is rare; all else is passed over at memory speed.
    while let Some(found) = memchr::memchr(b'\\', &bytes[from..]) {
        let at = from + found;
        match unit_at(bytes, at) {
            Some(0xd800..=0xdbff) => match unit_at(bytes, at + 6) {
                Some(0xdc00..=0xdfff) => from = at + 12,
                _ => return true,
            },
            Some(0xdc00..=0xdfff) => return true,
            Some(_) => from = at + 6,
            // Another escape, such as `\\` or `\n`: two bytes.
            None => from = at + 2,
        }
        if from >= bytes.len() {
            break;
        }
    }
    false
}

/// The UTF-16 unit that a `\uXXXX` at `at` escapes.
fn unit_at(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?;
    if !escape.starts_with(b"\\u") {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(&escape[2..]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_found_and_pairs_are_not() {
        for lone in [r#""\ud800""#, r#""\uDC00""#, r#""\ud800\ud800""#, r#""\ud83d\n""#, r#""\\\ud800""#, r#""a\ud83d"#]
        {
            assert!(has_lone_surrogate(lone), "{lone}");
        }
        for fine in [r#""\ud83d\ude00""#, r#""\\ud800""#, r#""\u00e9\n\\""#, "[]", r#""\u12"#, "\"\\"] {
            assert!(!has_lone_surrogate(fine), "{fine}");
        }
    }
}
