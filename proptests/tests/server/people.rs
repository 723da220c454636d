//! A server's secret, and tokens made with it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use variorum::server::{Access, Claims, Grant, Secret, Tokens};

/// The secret of the servers under test.
pub const SECRET: &str = "a secret that is known to the server and its tests alone";

pub fn secret() -> Secret {
    Secret::of(SECRET)
}

pub fn tokens() -> Tokens {
    Tokens::new(&secret(), None)
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs_f64()
}

/// A token that gives this, for an hour.
pub fn token(sub: &str, docs: &[(&str, Access)]) -> String {
    token_until(sub, docs, now() + 3600.0)
}

pub fn token_until(sub: &str, docs: &[(&str, Access)], exp: f64) -> String {
    let docs = docs.iter().map(|(prefix, access)| Grant { prefix: (*prefix).to_owned(), access: *access });
    let (sub, name) = (sub.to_owned(), Some(sub.to_uppercase()));
    secret().sign(&Claims { sub, name, exp, nbf: None, aud: None, docs: docs.collect() })
}

/// Claims of a token that is good, to be spoiled.
pub fn claims() -> Value {
    json!({"sub": "ana", "name": "Ana", "exp": now().round() + 3600.0, "docs": [{"prefix": "", "access": "admin"}]})
}

/// The header that carries a token over HTTP.
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
