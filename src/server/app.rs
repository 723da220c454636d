//! The web app, inside the binary: its page at `/` and `/d/{id}`, its files, and the headers that they go out with.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rust_embed::{EmbeddedFile, RustEmbed};
use warp::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use warp::path::FullPath;
use warp::reply::Response as Answer;
use warp::{Filter, Rejection, Reply};

use super::Server;
use super::problem::Problem;
use crate::protocol::Code;

/// What `client-ts/app` was built to. Nothing, if it was not: then [`NOT_BUILT`] is the page.
#[derive(RustEmbed)]
#[folder = "client-ts/app/dist"]
#[allow_missing = true]
struct Files;

/// The page's file.
const PAGE: &str = "index.html";

/// Stands in the page for the random word that lets its styles through the content security policy.
const NONCE: &str = "NONCE-OF-THIS-ANSWER";

/// What is said where the app was not there when the server was compiled.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><title>Variorum</title><h1>The server runs, without its web app</h1>\
<p>This binary was compiled before the web app was built. <code>make run</code> builds both; \
<code>make app</code> the app alone, to be followed by <code>cargo build --release</code>.</p></html>\n";

/// Files under this have names that change with what is in them.
const HASHED: &str = "assets/";

/// The app's routes. They answer for no path of the protocol's.
pub(super) fn routes(server: Arc<Server>) -> impl Filter<Extract = (Answer,), Error = Rejection> + Clone {
    warp::path::full()
        .and_then(|path: FullPath| async move { find(path.as_str()).ok_or_else(warp::reject::not_found) })
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .map(move |found, method: Method, headers: HeaderMap| match (method, found) {
            // What a HEAD answers beyond the headers is left out further down.
            (Method::GET | Method::HEAD, Found::Page) => {
                let mut random = [0; 16];
                server.hub.world().random(&mut random);
                let built = Files::get(PAGE).and_then(|file| String::from_utf8(file.data.into_owned()).ok());
                page(built, &STANDARD.encode(random))
            }
            (Method::GET | Method::HEAD, Found::File { name, file }) => answer(&name, file, &headers),
            (other, _) => {
                let message = format!("this path does not have the method {other}; it has GET, HEAD");
                Problem::new(Code::MethodNotAllowed, message).allowing("GET, HEAD".to_owned()).into_response()
            }
        })
}

/// What a path of the app's means.
enum Found {
    /// The page, which sees for itself what the path is.
    Page,
    File {
        name: String,
        file: EmbeddedFile,
    },
}

fn find(path: &str) -> Option<Found> {
    let document = path.strip_prefix("/d/").map(|id| id.strip_suffix('/').unwrap_or(id));
    if path == "/" || document.is_some_and(|id| !id.is_empty() && !id.contains('/')) {
        return Some(Found::Page);
    }
    // The page goes out with its nonce, and the compressed forms under their file's name.
    let name = path.strip_prefix('/')?;
    let listed = name != PAGE && !name.ends_with(".br") && !name.ends_with(".gz");
    let file = Files::get(name).filter(|_| listed)?;
    Some(Found::File { name: name.to_owned(), file })
}

/// The page. It loads nothing from elsewhere, runs no script but its own files, and turns no text into HTML: a browser that
/// knows trusted types refuses, since they are required and the one kind allowed names the address of the app's worker.
fn page(built: Option<String>, nonce: &str) -> Answer {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; font-src 'self'; img-src 'self'; \
         connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types worker"
    );
    let status = if built.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "same-origin")
        .header("cross-origin-opener-policy", "same-origin")
        .body(built.map_or(NOT_BUILT.into(), |page| page.replace(NONCE, nonce)).into())
        .expect("every header is well-formed")
}

/// A file, in the smallest form that the asker takes.
fn answer(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Answer {
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash()));
    let hashed = name.starts_with(HASHED);
    let cache = if hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut answer = Response::builder()
        .header(header::CONTENT_TYPE, content_type(name))
        .header(header::CACHE_CONTROL, cache)
        .header(header::VARY, "Accept-Encoding")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::ETAG, &tag);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return answer.status(StatusCode::NOT_MODIFIED).body(Vec::new().into()).expect("every header is well-formed");
    }
    let mut body = file.data;
    for (coding, ending) in [("br", ".br"), ("gzip", ".gz")] {
        if accepts(headers.get(header::ACCEPT_ENCODING), coding)
            && let Some(compressed) = Files::get(&format!("{name}{ending}"))
        {
            answer = answer.header(header::CONTENT_ENCODING, coding);
            body = compressed.data;
            break;
        }
    }
    match body {
        Cow::Borrowed(bytes) => answer.body(bytes::Bytes::from_static(bytes).into()),
        Cow::Owned(bytes) => answer.body(bytes.into()),
    }
    .expect("every header is well-formed")
}

/// Whether an `Accept-Encoding` names a coding, and not with the weight of zero that rules it out.
fn accepts(header: Option<&HeaderValue>, coding: &str) -> bool {
    let named = header.and_then(|value| value.to_str().ok()).unwrap_or_default().split(',');
    named.into_iter().any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let zero = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        name.trim().eq_ignore_ascii_case(coding) && !zero
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_its_app_says_how_to_build_it() {
        assert_eq!(page(None, "word").status(), StatusCode::NOT_FOUND);
        assert!(NOT_BUILT.contains("make run"));
        assert_eq!(page(Some("<p>".into()), "word").status(), StatusCode::OK);
    }

    #[test]
    fn a_coding_is_sent_only_to_who_takes_it() {
        let accepts = |header: &'static str, coding| accepts(Some(&HeaderValue::from_static(header)), coding);
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("GZIP;q=0.5", "gzip"));
        assert!(!accepts("br;q=0, gzip", "br"));
        assert!(!accepts("br; q=0.000", "br"));
        assert!(!accepts("brotli", "br"));
        assert!(!super::accepts(None, "gzip"));
    }
}
