//! Tokens: 200 that are not good and none of them taken, by hello or by request; and what a good one gives, until it expires.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptests::Source;
use proptests::live::{Raw, Server, parts, patient, secret};
use serde_json::{Value, json};
use tokio::io::Interest;
use variorum::limits::Limits;
use variorum::server::{Access, Entry, Parts, Tokens};

use crate::people::{self, SECRET, bearer, claims, now, token, token_until};

fn sign(header: &Header, claims: &Value, key: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(key.as_bytes())).expect("it can be signed")
}

fn good() -> String {
    sign(&Header::new(Algorithm::HS256), &claims(), SECRET)
}

/// A token with any text for a header, signed as HS256 would be.
fn signed_by_hand(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("it can be signed");
    format!("{message}.{signature}")
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("claims are an object").remove(key);
    claims
}

/// 200 tokens that are not good, each with what is wrong about it.
fn bad_tokens(seed: u64) -> Vec<(String, String)> {
    let mut bad = Vec::new();
    let mut add = |what: String, token: String| bad.push((what, token));
    let hs256 = Header::new(Algorithm::HS256);
    for key in ["", "secret", &SECRET[1..], &format!("{SECRET}\n"), &SECRET.to_uppercase()] {
        add(format!("forged with the secret {key:?}"), sign(&hs256, &claims(), key));
    }
    for exp in [json!(0), json!(-1), json!(-1e300), json!(now() - 0.001), json!(now() - 59.0), json!(now() - 3600.0)] {
        add(format!("expired at {exp}"), sign(&hs256, &with("exp", exp), SECRET));
    }
    for exp in [json!("9999999999"), json!(null), json!(true), json!([9_999_999_999_u64]), json!({})] {
        add(format!("exp is {exp}"), sign(&hs256, &with("exp", exp), SECRET));
    }
    add("no exp".into(), sign(&hs256, &without("exp"), SECRET));
    for nbf in [json!(now() + 1.0), json!(now() + 3600.0), json!("0"), json!([])] {
        add(format!("nbf is {nbf}"), sign(&hs256, &with("nbf", nbf), SECRET));
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        add(format!("{algorithm:?}"), sign(&Header::new(algorithm), &claims(), SECRET));
    }
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "RS512", "ES256", "PS256", "EdDSA", "hs256",
        "HS256 ",
    ] {
        let signed = signed_by_hand(&json!({"typ": "JWT", "alg": alg}), &claims());
        let bare = signed.rsplit_once('.').expect("a token has a signature").0.to_owned();
        add(format!("alg {alg:?}, signed as HS256"), signed);
        add(format!("alg {alg:?}, with no signature"), format!("{bare}."));
    }
    add("no alg".into(), signed_by_hand(&json!({"typ": "JWT"}), &claims()));
    add("alg null".into(), signed_by_hand(&json!({"alg": null}), &claims()));
    let crit = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    add("an extension that must be understood".into(), signed_by_hand(&crit, &claims()));
    for aud in [
        json!("other"),
        json!(""),
        json!(["other", "another"]),
        json!([]),
        json!(5),
        json!({}),
        json!([5]),
        json!("Docs"),
    ] {
        add(format!("made for {aud}"), sign(&hs256, &with("aud", aud), SECRET));
    }
    for sub in [json!(""), json!(5), json!(null), json!("x".repeat(201))] {
        add(format!("sub is {sub}"), sign(&hs256, &with("sub", sub), SECRET));
    }
    add("no sub".into(), sign(&hs256, &without("sub"), SECRET));
    for docs in [
        json!(null),
        json!("admin"),
        json!([{"prefix": ""}]),
        json!([{"access": "read"}]),
        json!([{"prefix": "", "access": "owner"}]),
        json!([{"prefix": "", "access": "Read"}]),
        json!([{"prefix": "", "access": "read", "until": 5}]),
    ] {
        add(format!("docs is {docs}"), sign(&hs256, &with("docs", docs), SECRET));
    }
    let long = json!([{"prefix": "x".repeat(9 << 10), "access": "read"}]);
    add("too long".into(), sign(&hs256, &with("docs", long), SECRET));
    add("claims that are no object".into(), sign(&hs256, &json!(["ana"]), SECRET));
    let good = good();
    for (what, token) in [("a space before", format!(" {good}")), ("a space after", format!("{good} "))] {
        // Over HTTP spaces around a value do not count, so there they stand inside.
        add(what.into(), token.replacen('.', " .", 1));
    }
    add("padded".into(), format!("{good}="));
    add("a part more".into(), format!("{good}.{good}"));
    add("no token".into(), "token".into());
    add("dots".into(), "..".into());
    let mut source = Source::seeded(seed);
    while bad.len() < 120 {
        let length = 1 + source.below(good.len() as u64 - 1) as usize;
        bad.push((format!("cut to {length} bytes"), good[..length].to_owned()));
    }
    while bad.len() < 200 {
        let (at, bit) = (source.below(good.len() as u64) as usize, source.below(7));
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        // What can stand in no header is replaced by what can: it is as wrong.
        bytes[at] = if bytes[at].is_ascii_graphic() { bytes[at] } else { b'~' };
        bad.push((format!("bit {bit} of byte {at} turned"), String::from_utf8(bytes).expect("it is ASCII")));
    }
    bad
}

async fn accepted_by_hello(server: &Server, token: &str) -> bool {
    let mut raw = Raw::connect(server.address).await;
    let heard = raw.hello_by(&secret("ana"), Some(token)).await;
    if heard["type"] == "welcome" {
        return true;
    }
    assert_eq!((&heard["type"], &heard["code"]), (&json!("error"), &json!("unauthorized")), "{heard}");
    assert_eq!(raw.close_code().await, Some(4401));
    false
}

async fn accepted_by_request(server: &Server, token: &str) -> bool {
    let answer = server.http("GET", "/v1/docs/d", &[("Authorization", &bearer(token))], "").await;
    if answer.status == 200 {
        return true;
    }
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"), "{answer:?}");
    false
}

async fn has_a_document(server: &Server, token: &str) {
    let made = server.http("PUT", "/v1/docs/d", &[("Authorization", &bearer(token))], r#"{"kind": "text"}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
}

#[tokio::test]
async fn of_200_tokens_that_are_not_good_none_is_taken() {
    let seed = 0x0d00_2026;
    let server = Server::guarded(people::tokens()).await;
    has_a_document(&server, &good()).await;
    let bad = bad_tokens(seed);
    assert_eq!(bad.len(), 200);
    let mut taken = Vec::new();
    for (what, token) in &bad {
        if accepted_by_hello(&server, token).await || accepted_by_request(&server, token).await {
            taken.push(what);
        }
    }
    assert!(taken.is_empty(), "seed {seed}: {} of 200 were taken: {taken:?}", taken.len());
    // And it was not for want of a good one.
    assert!(accepted_by_hello(&server, &good()).await && accepted_by_request(&server, &good()).await);
    server.stop().await;
}

#[tokio::test]
async fn with_an_audience_only_tokens_made_for_it_are_taken() {
    let server = Server::guarded(Tokens::new(&people::secret(), Some("docs".into()))).await;
    let made_for = |aud: Value| sign(&Header::new(Algorithm::HS256), &with("aud", aud), SECRET);
    let fitting = made_for(json!("docs"));
    has_a_document(&server, &fitting).await;
    for aud in [json!("docs"), json!(["other", "docs"])] {
        let token = made_for(aud.clone());
        assert!(accepted_by_hello(&server, &token).await && accepted_by_request(&server, &token).await, "{aud}");
    }
    for aud in [
        json!(null),
        json!("other"),
        json!(""),
        json!("docs "),
        json!(["other"]),
        json!([]),
        json!(5),
        json!([["docs"]]),
    ] {
        let token = made_for(aud.clone());
        assert!(!accepted_by_hello(&server, &token).await && !accepted_by_request(&server, &token).await, "{aud}");
    }
    assert!(!accepted_by_hello(&server, &good()).await, "a token made for nobody in particular");
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_bearer_token_is_unauthorized() {
    let server = Server::guarded(people::tokens()).await;
    let good = good();
    has_a_document(&server, &good).await;
    let get = |headers: Vec<(&'static str, String)>| {
        let server = &server;
        async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            server.http("GET", "/v1/docs/d", &headers, "").await.status
        }
    };
    assert_eq!(get(vec![]).await, 401);
    for value in
        [good.clone(), format!("Basic {good}"), "Bearer".into(), "Bearer ".into(), format!("Token token={good}")]
    {
        assert_eq!(get(vec![("Authorization", value.clone())]).await, 401, "{value:?}");
    }
    let twice = vec![("Authorization", bearer(&good)), ("Authorization", bearer(&good))];
    assert_eq!(get(twice).await, 401);
    assert_eq!(get(vec![("authorization", format!("bEARER {good}"))]).await, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_token_says_who_its_user_is() {
    let server = Server::guarded(people::tokens()).await;
    let ana = token("ana", &[("", Access::Write)]);
    let mut raw = Raw::connect(server.address).await;
    // The name and the person that a client says are not asked.
    let hello =
        json!({"type": "hello", "protocol": 1, "client": secret("ana"), "token": ana, "name": "Bo", "person": "bo"});
    raw.say(hello).await;
    assert_eq!(raw.hears("welcome").await["user"], json!({"id": "ana", "name": "ANA"}));
    raw.open("d", "Hello").await;
    raw.edited("d", 1, 1, json!([5, "!"])).await;
    let body = r#"{"version": 2, "op": [6, "?"]}"#;
    let edited = server.http("POST", "/v1/docs/d/edits", &[("Authorization", &bearer(&ana))], body).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    let page = server.http("GET", "/v1/docs/d/revisions", &[("Authorization", &bearer(&ana))], "").await.json();
    let users: Vec<_> = page["revisions"].as_array().expect("revisions").iter().map(|item| &item["user"]).collect();
    assert_eq!(users, [&json!({"id": "ana", "name": "ANA"}); 3]);
    server.stop().await;
}

#[tokio::test]
async fn another_users_connected_client_id_is_forbidden() {
    let server = Server::guarded(people::tokens()).await;
    let (ana, bo) = (token("ana", &[("", Access::Write)]), token("bo", &[("", Access::Write)]));
    let mut raw = Raw::connect(server.address).await;
    raw.hello_by(&secret("ana"), Some(&ana)).await;
    raw.open("d", "").await;
    let mut thief = Raw::connect(server.address).await;
    assert_eq!(thief.hello_by(&secret("ana"), Some(&bo)).await["code"], "forbidden");
    assert_eq!(thief.close_code().await, Some(4403));
    // Its owner does not notice, and takes it over herself.
    raw.edited("d", 0, 1, json!(["a"])).await;
    let mut newer = Raw::connect(server.address).await;
    assert_eq!(newer.hello_by(&secret("ana"), Some(&ana)).await["type"], "welcome");
    assert_eq!(raw.close_code().await, Some(4409));
    server.stop().await;
}

#[tokio::test]
async fn a_connection_ends_within_a_second_of_its_tokens_end() {
    let server = Server::guarded(people::tokens()).await;
    let bo = token("bo", &[("", Access::Write)]);
    let mut lasting = Raw::connect(server.address).await;
    lasting.hello_by(&secret("bo"), Some(&bo)).await;
    lasting.open("d", "").await;
    // The server counts in whole milliseconds.
    let exp = ((now() + 1.2) * 1000.0).floor() / 1000.0;
    let ana = token_until("ana", &[("", Access::Write)], exp);
    let mut brief = Raw::connect(server.address).await;
    assert_eq!(brief.hello_by(&secret("ana"), Some(&ana)).await["type"], "welcome");
    brief.open("d", "").await;
    brief.edited("d", 0, 1, json!(["a"])).await;
    assert_eq!(brief.hears("error").await["code"], "unauthorized");
    assert_eq!(brief.close_code().await, Some(4401));
    let late = now() - exp;
    assert!((0.0..1.0).contains(&late), "it ended {late} s after the token's end");
    assert!(!accepted_by_request(&server, &ana).await);
    // Who else has the document open sees them leave, and goes on.
    let left = async { while lasting.hear().await["left"] != json!([brief.session]) {} };
    patient(left).await;
    lasting.edited("d", 1, 1, json!([1, "b"])).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_without_end_do_not_outrun_a_tokens_end() {
    let entry = Entry::Tokens(Box::new(people::tokens()));
    let limits = Limits { controls_per_second: u32::MAX, bytes_per_second: usize::MAX, ..Limits::default() };
    let server = Server::of(Parts { entry, limits, ..parts() }).await;
    let mut raw = Raw::connect(server.address).await;
    let welcome = raw.hello_by(&secret("ana"), Some(&token_until("ana", &[("", Access::Read)], now() + 0.5))).await;
    assert_eq!(welcome["type"], "welcome");
    // Empty pings with a mask of zeros, so many at a time that the server always has more to read.
    let pings = [0x89, 0x80, 0, 0, 0, 0].repeat(10_000);
    let flood = async {
        let (stream, mut sent, mut heard) = (raw.stream(), 0, vec![0; 64 << 10]);
        loop {
            match stream.try_read(&mut heard) {
                Ok(read) if read > 0 => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    stream.ready(Interest::READABLE | Interest::WRITABLE).await.expect("it is a socket");
                }
                _ => break,
            }
            match stream.try_write(&pings[sent % 6..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    patient(flood).await;
    server.stop().await;
}

#[tokio::test]
async fn nothing_unread_is_taken_after_a_tokens_end() {
    let server = Server::guarded(people::tokens()).await;
    let exp = now() + 0.6;
    let ana = token_until("ana", &[("", Access::Write)], exp);
    let mut raw = Raw::connect(server.address).await;
    raw.hello_by(&secret("ana"), Some(&ana)).await;
    raw.open("d", "").await;
    let mut acked = 0;
    let closed = loop {
        raw.edit("d", acked, acked + 1, if acked == 0 { json!(["a"]) } else { json!([acked, "a"]) }).await;
        let heard = raw.hear().await;
        match heard["type"].as_str() {
            Some("ack") => acked += 1,
            Some("presence") => {}
            _ => break heard,
        }
        if now() > exp + 5.0 {
            panic!("edits are still taken {} s after the token's end", now() - exp);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(closed["code"], "unauthorized", "{closed}");
    let bo = bearer(&token("bo", &[("", Access::Read)]));
    let page = server.http("GET", "/v1/docs/d/revisions?limit=5000", &[("Authorization", &bo)], "").await.json();
    let last = page["revisions"].as_array().and_then(|all| all.last()).expect("some were taken")["time"].clone();
    let last = last.as_f64().expect("a time") / 1000.0;
    assert!(last < exp + 0.1, "an edit was taken {} s after the token's end", last - exp);
    server.stop().await;
}

#[tokio::test]
async fn one_users_idempotency_key_is_not_anothers() {
    let server = Server::guarded(people::tokens()).await;
    let [ana, bo] = ["ana", "bo"].map(|sub| bearer(&token(sub, &[("", Access::Write)])));
    let made = server.http("PUT", "/v1/docs/d", &[("Authorization", &ana)], r#"{"kind": "text"}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    let put = async |who: &str, text: &str| {
        let headers = [("Authorization", who), ("If-Match", "*"), ("Idempotency-Key", "k")];
        server.http("PUT", "/v1/docs/d/content", &headers, text).await
    };
    let first = put(&ana, "one").await;
    assert_eq!((first.status, first.json()["version"].as_u64()), (200, Some(1)), "{first:?}");
    let second = put(&bo, "two").await;
    assert_eq!((second.status, second.json()["version"].as_u64()), (200, Some(2)), "{second:?}");
    // Each is known by its own user's.
    assert_eq!(put(&ana, "one").await.body, first.body);
    let content = server.http("GET", "/v1/docs/d/content", &[("Authorization", &bo)], "").await;
    assert_eq!(content.body, "two");
    server.stop().await;
}
