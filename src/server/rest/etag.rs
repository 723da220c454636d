//! The tag of a version: what `ETag`, `If-None-Match` and `If-Match` carry, `"epoch/version/chain"`.

use std::fmt;

use warp::http::{HeaderMap, header};

use super::parameters::bad;
use crate::document::{Chain, Epoch, Version};
use crate::protocol::Code;
use crate::server::problem::Problem;

/// Names a version of a document for ever: no other version, and no other document's, has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) epoch: Epoch,
    pub(super) version: Version,
    pub(super) chain: Chain,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "\"{}/{}/{}\"", self.epoch, self.version, self.chain)
    }
}

impl Tag {
    /// Whether `If-None-Match` says that the client has this version.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        is_known(&self.to_string(), headers)
    }
}

/// A tag as a client names it. What cannot be an epoch or a chain differs from every one there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) epoch: String,
    pub(super) version: Version,
    pub(super) chain: String,
}

impl Named {
    fn parse(text: &str) -> Option<Named> {
        let mut parts = text.strip_prefix('"')?.strip_suffix('"')?.split('/');
        let (epoch, version, chain) = (parts.next()?, parts.next()?, parts.next()?);
        let number = version.parse().ok().filter(|version| *version < 1 << 53)?;
        // A version has one form only.
        let whole = parts.next().is_none() && version == Version(number).to_string();
        let filled = !epoch.is_empty() && !chain.is_empty();
        (whole && filled).then(|| Named { epoch: epoch.into(), version: Version(number), chain: chain.into() })
    }
}

/// Whether `If-None-Match` says that the client has what this tag names.
pub(super) fn is_known(tag: &str, headers: &HeaderMap) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|value| {
        let value = value.trim();
        value == "*" || value.strip_prefix("W/").unwrap_or(value) == tag
    })
}

/// What a writer had read, as `If-Match` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// Whatever is newest.
    Newest,
    /// This version.
    Read(Named),
}

impl Base {
    /// What `If-Match` says. It has to be there: without it, others' edits would be overwritten unseen.
    pub(super) fn of(headers: &HeaderMap) -> Result<Base, Problem> {
        let mut values = headers.get_all(header::IF_MATCH).iter();
        let Some(value) = values.next() else {
            let message = "If-Match is missing: it names the version that the content was made from, or is *";
            return Err(Problem::new(Code::PreconditionRequired, message));
        };
        let malformed =
            || bad("If-Match is malformed; expected the ETag of one version, \"epoch/version/chain\", or *");
        let text = value.to_str().map_err(|_| malformed())?.trim();
        if values.next().is_some() {
            return Err(malformed());
        }
        if text == "*" {
            return Ok(Base::Newest);
        }
        // A proxy that compresses marks a tag as weak; it names the same version.
        Named::parse(text.strip_prefix("W/").unwrap_or(text)).map(Base::Read).ok_or_else(malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(value: &str) -> Option<Base> {
        let headers = HeaderMap::from_iter([(header::IF_MATCH, value.parse().expect("a header value"))]);
        Base::of(&headers).ok()
    }

    #[test]
    fn a_tag_is_read_as_it_was_written_and_nothing_else_is() {
        let tag = Tag { epoch: Epoch([7; 16]), version: Version(12), chain: Chain(0xab) };
        let named = Named { epoch: tag.epoch.to_string(), version: tag.version, chain: tag.chain.to_string() };
        assert_eq!(base(&tag.to_string()), Some(Base::Read(named.clone())));
        assert_eq!(base(&format!("W/{tag}")), Some(Base::Read(named.clone())));
        assert_eq!(base("*"), Some(Base::Newest));
        // Another server's may have another form: it names a history that is not this one, and is no mistake in writing.
        let foreign = Named { epoch: "5".into(), version: Version(0), chain: "AB".into() };
        assert_eq!(base("\"5/0/AB\""), Some(Base::Read(foreign)));
        let bare = tag.to_string().replace('"', "");
        let others = [
            bare.clone(),
            format!("{tag}, {tag}"),
            format!("\"{bare}/\""),
            tag.to_string().replace("/12/", "/+12/"),
            tag.to_string().replace("/12/", "//"),
            tag.to_string().replace("/12/", "/9007199254740992/"),
            tag.to_string().replace("/12/", "/012/"),
            "\"/12/ab\"".into(),
            "\"x/12/\"".into(),
            "\"\"".into(),
            String::new(),
        ];
        for other in others {
            assert_eq!(base(&other), None, "{other}");
        }
    }
}
