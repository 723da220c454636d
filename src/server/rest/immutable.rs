//! Answers about the past: they never change within an epoch, so whoever has one is not sent it again.

use serde::Serialize;
use warp::http::{HeaderMap, Response, StatusCode, header};

use super::endpoint::Answer;
use super::etag::{Tag, is_known};
use crate::document::{Chain, Version};
use crate::hub::Live;

/// About how many bytes a run takes in JSON, without its text.
const RUN: usize = 100;

/// A body of so many runs as JSON, written into room that was made for it: some are large, and growing would copy them.
pub(super) fn json(runs: usize, body: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(runs * RUN);
    serde_json::to_writer(&mut json, body).expect("the protocol's bodies are JSON");
    json
}

/// The tag of an answer about one version or two.
pub(super) struct Immutable(String);

impl Immutable {
    /// What is said of a version alone.
    pub(super) fn at(live: &Live, version: Version, chain: Chain) -> Self {
        Immutable(Tag { epoch: live.identity().epoch, version, chain }.to_string())
    }

    /// What is said of two versions; the chain is that of the later one.
    pub(super) fn between(live: &Live, from: Version, to: Version, chain: Chain) -> Self {
        Immutable(format!("\"{}/{from}-{to}/{chain}\"", live.identity().epoch))
    }

    /// Whether the client has it.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        is_known(&self.0, headers)
    }

    /// Says that the client has it.
    pub(super) fn unchanged(self) -> Answer {
        let response = self.response().status(StatusCode::NOT_MODIFIED).body(Default::default());
        Ok(response.expect("every header is well-formed"))
    }

    /// Sends it.
    pub(super) fn answer(self, kind: &str, body: Vec<u8>) -> Answer {
        let response = self.response().header(header::CONTENT_TYPE, kind).body(body.into());
        Ok(response.expect("every header is well-formed"))
    }

    fn response(&self) -> warp::http::response::Builder {
        Response::builder().header(header::ETAG, &self.0).header(header::CACHE_CONTROL, "private, no-cache")
    }
}
