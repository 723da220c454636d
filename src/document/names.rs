//! The small types that a document is spoken of with: ids, versions, epochs, chains, times. Each says what may never be.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

/// The name of a document: 1 to 200 characters of `A-Z a-z 0-9 . _ ~ : -`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(CompactString);

/// A name that is not a document id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a document id has 1 to 200 characters of A-Z a-z 0-9 . _ ~ : - and begins with a letter or digit; this one {why}"
)]
pub struct BadDocumentId {
    why: String,
}

impl DocumentId {
    /// The longest id, in characters.
    pub const LENGTH_MAX: usize = 200;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for DocumentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for DocumentId {
    type Err = BadDocumentId;

    fn from_str(text: &str) -> Result<Self, BadDocumentId> {
        let bad = |why: String| Err(BadDocumentId { why });
        let Some(first) = text.chars().next() else { return bad("is empty".into()) };
        if let Some(odd) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._~:-".contains(*c))) {
            return bad(format!("contains {odd:?}"));
        }
        if !first.is_ascii_alphanumeric() {
            return bad(format!("begins with {first:?}"));
        }
        // Every character is ASCII by now, so bytes are characters.
        if text.len() > Self::LENGTH_MAX {
            return bad(format!("has {}", text.len()));
        }
        Ok(DocumentId(text.into()))
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What sort of document it is, and so which ops it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Plain text with the text op.
    Text,
}

impl Kind {
    /// The kind's name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Text => "text",
        }
    }
}

/// A kind that this server does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kind {0:?} is not served here; the kinds are \"text\"")]
pub struct UnsupportedKind(pub String);

impl FromStr for Kind {
    type Err = UnsupportedKind;

    fn from_str(text: &str) -> Result<Self, UnsupportedKind> {
        match text {
            "text" => Ok(Kind::Text),
            other => Err(UnsupportedKind(other.chars().take(100).collect())),
        }
    }
}

/// How many revisions are committed; a place *between* revisions. 0 is the empty beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Version(pub u64);

impl Version {
    /// The empty beginning of every document.
    pub const ZERO: Version = Version(0);

    /// The place after one more revision.
    pub fn next(self) -> Version {
        Version(self.0 + 1)
    }

    /// How many revisions lie between an earlier place and this one; none if it is not earlier.
    pub fn since(self, earlier: Version) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A client's counter of its edits to one document, rising from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since 1970, UTC. Never decreases along a document's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Time(pub u64);

/// One incarnation of a document: deleting and creating again under the same id gives another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub [u8; 16]);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Epoch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ())?;
        Ok(Epoch(bytes.try_into().map_err(|_| ())?))
    }
}

/// An editing client, by a hash of its secret id; the id itself is never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(pub [u8; 16]);

impl ClientKey {
    /// The key under which a branch's edits are merged into its parent.
    pub fn of_branch(epoch: Epoch) -> Self {
        ClientKey(fingerprint("branch", &epoch.to_string()))
    }

    /// The key of a client's secret id.
    pub fn of_client(id: &str) -> Self {
        ClientKey(fingerprint("client", id))
    }

    /// The key of an `Idempotency-Key` that `user` sent: a client whose seq is 1, and never that of a real client.
    pub fn of_idempotency_key(user: &str, key: &str) -> Self {
        ClientKey(fingerprint("idempotency", &format!("{}:{user}{key}", user.len())))
    }
}

/// The public form of a secret id: 22 characters of base64url that do not lead back to it.
pub fn public_id(domain: &str, secret: &str) -> CompactString {
    URL_SAFE_NO_PAD.encode(fingerprint(domain, secret)).into()
}

/// The first 16 bytes of SHA-256 over a domain and a text; the domain keeps equal texts of different meaning apart.
fn fingerprint(domain: &str, text: &str) -> [u8; 16] {
    let digest = Sha256::new().chain_update(domain).chain_update([0]).chain_update(text).finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// Fingerprint of a document's whole history up to a version; 16 hex digits on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain(pub u64);

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Chain {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits {
            return Err(());
        }
        u64::from_str_radix(text, 16).map(Chain).map_err(|_| ())
    }
}

/// The random key of an epoch's chain. It leaves the server only in an export.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainKey(pub [u8; 16]);

impl ChainKey {
    /// The chain of version 0.
    pub fn genesis(&self, epoch: Epoch) -> Chain {
        let mut hasher = self.hasher();
        hasher.write(&epoch.0);
        Chain(hasher.finish())
    }

    /// SipHash-2-4 under this key (Aumasson and Bernstein 2012).
    pub(super) fn hasher(&self) -> SipHasher24 {
        SipHasher24::new_with_key(&self.0)
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("ChainKey(secret)")
    }
}

/// These are written as text and read back through their `FromStr`.
macro_rules! as_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = CompactString::deserialize(deserializer)?;
                text.parse().map_err(|_| serde::de::Error::custom(concat!("not a ", stringify!($name))))
            }
        }
    )+};
}

as_text!(DocumentId, Epoch, Chain);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_ids_are_checked() {
        for good in ["a", "9", "a.b_c~d:e-f", &"x".repeat(200)] {
            assert_eq!(good.parse::<DocumentId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", ".a", "-a", "a/b", "a b", "é", "a\0", "%41", &"x".repeat(201)] {
            assert!(bad.parse::<DocumentId>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn epochs_and_chains_survive_their_text() {
        let epoch = Epoch(*b"0123456789abcdef");
        assert_eq!(epoch.to_string().parse(), Ok(epoch));
        assert_eq!(Chain(0xab).to_string(), "00000000000000ab");
        assert_eq!("00000000000000ab".parse(), Ok(Chain(0xab)));
        for bad in ["ab", "00000000000000AB", "+0000000000000ab", "00000000000000abc"] {
            assert_eq!(bad.parse::<Chain>(), Err(()));
        }
    }

    #[test]
    fn an_idempotency_key_is_no_client_and_no_other_users_key() {
        assert_ne!(ClientKey::of_client("k"), ClientKey::of_idempotency_key("", "k"));
        assert_ne!(ClientKey::of_idempotency_key("ab", "c"), ClientKey::of_idempotency_key("a", "bc"));
    }
}
