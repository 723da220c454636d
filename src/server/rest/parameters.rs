//! Reading what a request says outside its body: ids in paths, parameters of queries, headers.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use warp::http::HeaderMap;

use super::endpoint::Query;
use crate::document::{BadDocumentId, DocumentId};
use crate::protocol::Code;
use crate::server::problem::Problem;

/// The id in a path, which may be percent-encoded.
pub(super) fn document_id(encoded: &str) -> Result<DocumentId, Problem> {
    let decoded = percent_encoding::percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| Problem::new(Code::BadDocumentId, "the document id in the path is not UTF-8"))?;
    decoded.parse().map_err(|error: BadDocumentId| Problem::new(Code::BadDocumentId, error.to_string()))
}

/// Another part of the path, which may be percent-encoded too.
pub(super) fn decoded<'p>(name: &str, encoded: &'p str) -> Result<Cow<'p, str>, Problem> {
    let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8();
    decoded.map_err(|_| bad(format!("the {name} in the path is not UTF-8")))
}

/// A number in the query.
pub(super) fn number(query: &Query, name: &'static str) -> Result<Option<u64>, Problem> {
    let expected = |text| bad(format!("`{name}` is {text:?}; expected a whole number"));
    query.get(name).map(|text| text.parse().map_err(|_| expected(text))).transpose()
}

/// How many things one answer may hold at most: `limit` in the query, from 1 to `most`.
pub(super) fn limit(query: &Query, default: u64, most: u64) -> Result<u64, Problem> {
    match number(query, "limit")?.unwrap_or(default) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        limit => Err(bad(format!("`limit` is {limit}; expected a whole number from 1 to {most}"))),
    }
}

/// What a parameter or header of this name says.
pub(super) fn parse<T: FromStr>(name: &str, text: &str) -> Result<T, Problem>
where
    T::Err: Display,
{
    text.parse().map_err(|error| bad(format!("`{name}` is {text:?}: {error}")))
}

/// A header as text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| bad(format!("the header {name} is not text")))
}

/// The request is not one that the protocol knows.
pub(super) fn bad(message: impl Into<String>) -> Problem {
    Problem::new(Code::BadMessage, message)
}
