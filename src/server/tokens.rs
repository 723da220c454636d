//! Access tokens: signed claims of who someone is and what they may do, made by the application, checked here.

use std::fmt;
use std::path::Path;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::access::{Caller, Denied, Grant};
use crate::document::{Time, User};
use crate::limits::Limits;

/// Bytes of a secret below which it is weaker than the signature made with it (RFC 7518, section 3.2).
pub const SECRET_BYTES: usize = 32;

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Stable public id of the user.
    pub sub: String,
    /// The name that others see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds since 1970 from which on it is no longer good.
    pub exp: f64,
    /// Seconds since 1970 before which it is not yet good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<f64>,
    /// For whom it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// What it gives.
    #[serde(default)]
    pub docs: Vec<Grant>,
}

/// For whom a token is made: one name or several.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Any of these.
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, name: &str) -> bool {
        match self {
            Audience::One(one) => one == name,
            Audience::Several(several) => several.iter().any(|one| one == name),
        }
    }
}

/// What signs and checks tokens.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret in {0}: {1}")]
    Unreadable(String, std::io::Error),
    /// The file holds nothing.
    #[error("the secret in {0} is empty")]
    Empty(String),
}

impl Secret {
    /// Reads a secret: all bytes of a file but a line end at its end.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let shown = || path.display().to_string();
        let mut bytes = std::fs::read(path).map_err(|error| SecretError::Unreadable(shown(), error))?;
        while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            bytes.pop();
        }
        if bytes.is_empty() { Err(SecretError::Empty(shown())) } else { Ok(Secret(bytes)) }
    }

    /// A secret that is known.
    pub fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Secret(bytes.into())
    }

    /// Whether it is shorter than it should be.
    pub fn is_short(&self) -> bool {
        self.0.len() < SECRET_BYTES
    }

    /// A token that says this.
    pub fn sign(&self, claims: &Claims) -> String {
        let key = EncodingKey::from_secret(&self.0);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
            .expect("claims are JSON, and HS256 takes any key")
    }
}

/// Who is let in, and by what.
pub enum Entry {
    /// Everyone, to everything.
    Open,
    /// Whoever brings a token.
    Tokens(Box<Tokens>),
}

/// The check of tokens.
pub struct Tokens {
    key: DecodingKey,
    validation: Validation,
    audience: Option<String>,
}

impl Tokens {
    /// A check by this secret. With an audience, only tokens made for it are good; without, only those made for none.
    pub fn new(secret: &Secret, audience: Option<String>) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library checks form, algorithm and signature. Times are checked below, by the clock that is passed in and
        // without leeway; the audience too, because the library lets a malformed one pass.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Tokens { key: DecodingKey::from_secret(&secret.0), validation, audience }
    }

    fn check(&self, token: &str, now: Time, limits: &Limits) -> Result<Caller, Denied> {
        let denied = |why: &str| Err(Denied::unauthorized(why));
        if token.len() > limits.token_bytes {
            let (found, most) = (token.len(), limits.token_bytes);
            return denied(&format!("the token has {found} bytes, at most {most} are taken"));
        }
        // Why a forged token is not good is its maker's to guess.
        let Ok(decoded) = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation) else {
            return denied("the token is not one of this server's: its form, algorithm, signature or claims are wrong");
        };
        if decoded.header.crit.is_some() {
            return denied("the token asks for extensions that this server does not know");
        }
        let Claims { sub, name, exp, nbf, aud, docs } = decoded.claims;
        match (&self.audience, aud) {
            (None, None) => {}
            (Some(audience), Some(aud)) if aud.names(audience) => {}
            _ => return denied("the token is made for another audience"),
        }
        let expires = time(exp);
        if expires <= now {
            return denied("the token has expired");
        }
        if nbf.is_some_and(|nbf| time(nbf) > now) {
            return denied("the token is not good yet");
        }
        let length = sub.chars().count();
        if length == 0 || length > limits.user_length {
            return denied(&format!("the token's `sub` has {length} characters; expected 1 to {}", limits.user_length));
        }
        // A long name is no reason to lock someone out.
        let name = name.unwrap_or_default().chars().take(limits.name_length).collect();
        Ok(Caller::by_token(User { id: sub.into(), name }, docs, expires))
    }
}

impl Entry {
    /// Lets someone in, or says why not.
    pub(super) fn admit(&self, token: Option<&str>, now: Time, limits: &Limits) -> Result<Caller, Denied> {
        match (self, token) {
            (Entry::Open, _) => Ok(Caller::anyone()),
            (Entry::Tokens(_), None) => Err(Denied::unauthorized("this server asks for a token")),
            (Entry::Tokens(tokens), Some(token)) => tokens.check(token, now, limits),
        }
    }
}

/// A token's time, which may have a fraction; what lies past all time is its end.
fn time(seconds: f64) -> Time {
    Time((seconds * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_from_its_first_moment_and_until_its_last() {
        let secret = Secret::of([7; SECRET_BYTES]);
        let claims = Claims { sub: "ana".into(), name: None, exp: 20.5, nbf: Some(10.0), aud: None, docs: Vec::new() };
        let (tokens, token) = (Tokens::new(&secret, None), secret.sign(&claims));
        let good = |ms| tokens.check(&token, Time(ms), &Limits::default()).is_ok();
        assert_eq!([9_999, 10_000, 20_499, 20_500].map(good), [false, true, true, false]);
    }
}
