//! Every message and every route, by everyone: what each is answered. A message or a route without a row does not compile.

use proptests::live::{Raw, Server, secret};
use serde_json::{Value, json};
use variorum::protocol::{ClientMessage, Route};
use variorum::server::Access;

use crate::people::{bearer, now, token, token_until, tokens};

/// Where everything happens; `team.` is a group.
const GROUP: &str = "team.";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    NoToken,
    Expired,
    /// A good token that gives nothing.
    Nothing,
    /// Admin, but of another group.
    OtherPrefix,
    Reader,
    Writer,
    Admin,
}

const EVERYONE: [Who; 7] =
    [Who::NoToken, Who::Expired, Who::Nothing, Who::OtherPrefix, Who::Reader, Who::Writer, Who::Admin];

impl Who {
    fn token(self) -> Option<String> {
        match self {
            Who::NoToken => None,
            Who::Expired => Some(token_until("exa", &[(GROUP, Access::Admin)], now() - 0.001)),
            Who::Nothing => Some(token("nia", &[])),
            Who::OtherPrefix => Some(token("ola", &[("teal.", Access::Admin), ("team.x", Access::Admin)])),
            Who::Reader => Some(token("rea", &[(GROUP, Access::Read)])),
            Who::Writer => Some(token("wyn", &[(GROUP, Access::Write)])),
            Who::Admin => Some(token("ada", &[(GROUP, Access::Admin)])),
        }
    }

    /// What they may do here; none if they are let in for nothing.
    fn access(self) -> Option<Access> {
        match self {
            Who::NoToken | Who::Expired | Who::Nothing | Who::OtherPrefix => None,
            Who::Reader => Some(Access::Read),
            Who::Writer => Some(Access::Write),
            Who::Admin => Some(Access::Admin),
        }
    }

    fn let_in(self) -> bool {
        !matches!(self, Who::NoToken | Who::Expired)
    }
}

/// A route's row: an example, on a document of its own, and who is answered well.
struct Row {
    /// What stands behind the path.
    query: &'static str,
    headers: &'static [(&'static str, &'static str)],
    /// `{doc}` in it is the document's id.
    body: &'static str,
    /// What whoever is given it is answered.
    status: u16,
    /// None: even without a token.
    least: Option<Access>,
    /// Whether the document is there before.
    made: bool,
    /// What else must be there: a request of the admin's, as method, what follows the document's path, and body.
    before: Option<(&'static str, &'static str, &'static str)>,
}

/// A label, for those that need one.
const LABEL: Option<(&str, &str, &str)> = Some(("PUT", "/labels/name", "{}"));

/// A branch, likewise.
const BRANCH: Option<(&str, &str, &str)> = Some(("POST", "/branches", r#"{"id": "{doc}-branch"}"#));

fn row(route: Route) -> Row {
    let row =
        Row { query: "", headers: &[], body: "", status: 200, least: Some(Access::Read), made: true, before: None };
    match route {
        // It is no WebSocket request, and that is all that is wrong with it.
        Route::Connect => Row { least: None, status: 400, ..row },
        Route::Health | Route::Ready | Route::Metrics => Row { least: None, ..row },
        Route::Create => {
            Row { body: r#"{"kind": "text"}"#, status: 201, least: Some(Access::Write), made: false, ..row }
        }
        Route::Read | Route::Content | Route::Revisions | Route::Labels => row,
        Route::History | Route::Diff | Route::Blame | Route::Branches => row,
        Route::Search => Row { query: "?text=Hello", ..row },
        Route::Branch => Row { body: r#"{"id": "{doc}-branch"}"#, status: 201, least: Some(Access::Write), ..row },
        Route::Merge => {
            Row { body: r#"{"branch": "{doc}-branch"}"#, least: Some(Access::Write), before: BRANCH, ..row }
        }
        Route::List => Row { query: "?prefix=team.", least: Some(Access::Admin), ..row },
        Route::Prune => Row { body: r#"{"keep": "30d"}"#, least: Some(Access::Admin), ..row },
        Route::Delete => Row { status: 204, least: Some(Access::Admin), ..row },
        Route::Replace => Row { headers: &[("If-Match", "*")], body: "Hello!", least: Some(Access::Write), ..row },
        Route::Label => Row { before: LABEL, ..row },
        Route::PutLabel => Row { body: "{}", status: 201, least: Some(Access::Write), ..row },
        Route::DeleteLabel => Row { status: 204, least: Some(Access::Write), before: LABEL, ..row },
        Route::Restore => Row { body: r#"{"version": 0}"#, least: Some(Access::Write), ..row },
        Route::Edit => Row { body: r#"{"version": 1, "op": [5, "!"]}"#, least: Some(Access::Write), ..row },
    }
}

/// What someone is answered where this is the least access that is answered well.
fn denial(who: Who, least: Option<Access>) -> Option<(u16, &'static str)> {
    let least = least?;
    match (who.let_in(), who.access()) {
        (false, _) => Some((401, "unauthorized")),
        (true, Some(access)) if access >= least => None,
        (true, Some(Access::Read)) if least == Access::Write => Some((403, "read_only")),
        (true, _) => Some((403, "forbidden")),
    }
}

#[tokio::test]
async fn every_route_answers_everyone_as_the_matrix_says() {
    let server = Server::guarded(tokens()).await;
    let admin = bearer(&Who::Admin.token().expect("an admin has one"));
    for route in Route::ALL {
        for who in EVERYONE {
            let Row { query, headers, body, status, least, made, before } = row(*route);
            let doc = format!("{GROUP}{route:?}-{who:?}").to_lowercase();
            if made {
                let create = r#"{"kind": "text", "content": "Hello"}"#;
                let path = format!("/v1/docs/{doc}");
                assert_eq!(server.http("PUT", &path, &[("Authorization", &admin)], create).await.status, 201);
            }
            if let Some((method, path, body)) = before {
                let path = format!("/v1/docs/{doc}{path}");
                let body = body.replace("{doc}", &doc);
                assert!(server.http(method, &path, &[("Authorization", &admin)], &body).await.status < 300);
            }
            let token = who.token().map(|token| bearer(&token));
            let mut headers = headers.to_vec();
            headers.extend(token.as_deref().map(|token| ("Authorization", token)));
            let path = route.path().replace("{id}", &doc).replace("{name}", "name") + query;
            let answer = server.http(route.method(), &path, &headers, &body.replace("{doc}", &doc)).await;
            let told = format!("{who:?} {} {path}: {answer:?}", route.method());
            match denial(who, least) {
                None => assert_eq!(answer.status, status, "{told}"),
                Some((status, code)) => assert_eq!((answer.status, answer.code().as_str()), (status, code), "{told}"),
            }
            assert_eq!(answer.status == 401, answer.header("www-authenticate").is_some(), "{told}");
        }
    }
    server.stop().await;
}

/// What is said in answer to an example of a message, by its type and code; the document is one that is open if its
/// asker may open it.
fn said(message: &ClientMessage, who: Who) -> (&'static str, Option<&'static str>) {
    let reads = who.access().is_some();
    let opened = |answer| if reads { answer } else { ("error", Some("not_open")) };
    match message {
        ClientMessage::Hello(_) if who.let_in() => ("error", Some("bad_message")),
        ClientMessage::Hello(_) => ("error", Some("unauthorized")),
        ClientMessage::Open(_) if reads => ("opened", None),
        ClientMessage::Open(_) => ("error", Some("forbidden")),
        ClientMessage::Edit(_) if who == Who::Reader => ("refused", Some("read_only")),
        ClientMessage::Edit(_) => opened(("ack", None)),
        // It is not answered; what comes is the answer to the ping after it.
        ClientMessage::Presence(_) => opened(("pong", None)),
        ClientMessage::Check(_) => opened(("checked", None)),
        ClientMessage::Close { .. } => opened(("closed", Some("closed"))),
        ClientMessage::Ping => ("pong", None),
    }
}

/// An example of each message that may follow `hello`, about this document, which holds "Hello" at version 1.
fn examples(doc: &str) -> Vec<Value> {
    vec![
        json!({"type": "hello", "protocol": 1, "client": secret("again")}),
        json!({"type": "open", "doc": doc}),
        json!({"type": "edit", "doc": doc, "version": 1, "seq": 1, "op": [5, "!"]}),
        json!({"type": "presence", "doc": doc, "version": 1, "state": {"cursors": [[0, 0]]}}),
        json!({"type": "check", "doc": doc, "version": 1, "sum": "f7d18982"}),
        json!({"type": "close", "doc": doc}),
        json!({"type": "ping"}),
    ]
}

#[tokio::test]
async fn every_message_is_answered_to_everyone_as_the_matrix_says() {
    let server = Server::guarded(tokens()).await;
    let admin = bearer(&Who::Admin.token().expect("an admin has one"));
    for who in EVERYONE {
        for (place, example) in examples("").iter().enumerate() {
            let name = example["type"].as_str().expect("a message has a type");
            let doc = format!("{GROUP}{name}-{who:?}").to_lowercase();
            let create = r#"{"kind": "text", "content": "Hello"}"#;
            let path = format!("/v1/docs/{doc}");
            assert_eq!(server.http("PUT", &path, &[("Authorization", &admin)], create).await.status, 201);
            let mut raw = Raw::connect(server.address).await;
            let welcome = raw.hello_by(&secret(&doc.replace('.', "-")), who.token().as_deref()).await;
            if !who.let_in() {
                assert_eq!(welcome["code"], "unauthorized", "{who:?}: {welcome}");
                assert_eq!(raw.close_code().await, Some(4401), "{who:?}");
                continue;
            }
            assert_eq!(welcome["type"], "welcome", "{who:?}: {welcome}");
            if name != "open" && who.access().is_some() {
                raw.say(json!({"type": "open", "doc": doc})).await;
                let opened = raw.hears("opened").await;
                let access = if who == Who::Reader { "read" } else { "write" };
                assert_eq!(opened["access"], access, "{who:?}");
            }
            let example = &examples(&doc)[place];
            raw.say(example.clone()).await;
            raw.say(json!({"type": "ping"})).await;
            let mut heard = raw.hear().await;
            while heard["type"] == "presence" {
                heard = raw.hear().await;
            }
            let message = ClientMessage::parse(&example.to_string()).expect("an example is a message");
            let (kind, code) = said(&message, who);
            assert_eq!((heard["type"].as_str(), heard["code"].as_str()), (Some(kind), code), "{who:?} says {example}");
            if kind == "error" {
                assert_eq!(heard["reply_to"], example["type"], "{heard}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reader_is_answered_a_repeat_before_being_told_to_read_only() {
    let server = Server::guarded(tokens()).await;
    let (writer, reader) = (Who::Writer.token(), Who::Reader.token());
    let client = secret("one-client");
    let mut raw = Raw::connect(server.address).await;
    raw.hello_by(&client, writer.as_deref()).await;
    raw.open("team.d", "Hello").await;
    let ack = raw.edited("team.d", 1, 1, json!([5, "!"])).await;
    drop(raw);
    // The same client, whose user may only read by now. It is another user's no longer.
    let mut raw = Raw::connect(server.address).await;
    while raw.hello_by(&client, reader.as_deref()).await["type"] != "welcome" {
        raw = Raw::connect(server.address).await;
    }
    raw.open("team.d", "").await;
    assert_eq!(raw.edited("team.d", 1, 1, json!([5, "!"])).await, ack);
    raw.edit("team.d", 2, 2, json!([6, "?"])).await;
    assert_eq!(raw.hears("refused").await["code"], "read_only");
    let body = json!({"version": 1, "op": [5, "!"], "client": client, "seq": 1}).to_string();
    let token = bearer(&reader.expect("a reader has one"));
    let path = "/v1/docs/team.d/edits";
    let repeated = server.http("POST", path, &[("Authorization", &token)], &body).await;
    assert_eq!((repeated.status, &repeated.json()["version"]), (200, &ack["version"]), "{repeated:?}");
    let new = json!({"version": 2, "op": [6, "?"], "client": client, "seq": 2}).to_string();
    let refused = server.http("POST", path, &[("Authorization", &token)], &new).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "read_only"));
    server.stop().await;
}

#[tokio::test]
async fn who_may_only_read_makes_no_document_and_says_where_they_are() {
    let server = Server::guarded(tokens()).await;
    let mut reader = Raw::connect(server.address).await;
    reader.hello_by(&secret("reader"), Who::Reader.token().as_deref()).await;
    reader.say(json!({"type": "open", "doc": "team.d", "create": {"kind": "text", "content": "mine"}})).await;
    assert_eq!(reader.hears("error").await["code"], "read_only");
    let mut writer = Raw::connect(server.address).await;
    writer.hello_by(&secret("writer"), Who::Writer.token().as_deref()).await;
    assert_eq!(writer.open("team.d", "theirs").await["content"], "theirs");
    let opened = reader.open("team.d", "mine").await;
    assert_eq!((&opened["access"], &opened["content"]), (&json!("read"), &json!("theirs")));
    reader.say(json!({"type": "presence", "doc": "team.d", "version": 1, "state": {"cursors": [[1, 2]]}})).await;
    loop {
        let presence = writer.hear().await;
        assert_eq!(presence["type"], "presence", "{presence}");
        if presence["states"].as_array().is_some_and(|states| !states.is_empty()) {
            assert_eq!(presence["states"][0]["session"], json!(reader.session));
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn the_longest_prefix_decides_also_where_it_gives_less() {
    let server = Server::guarded(tokens()).await;
    let some = token("ana", &[("", Access::Write), ("team.", Access::Admin), ("team.log.", Access::Read)]);
    let made = |doc: &'static str| {
        let (server, some) = (&server, bearer(&some));
        async move {
            let path = format!("/v1/docs/{doc}");
            server.http("PUT", &path, &[("Authorization", &some)], r#"{"kind": "text"}"#).await.status
        }
    };
    assert_eq!([made("other").await, made("team.a").await, made("team.log").await], [201, 201, 201]);
    assert_eq!(made("team.log.a").await, 403);
    server.stop().await;
}

#[test]
fn the_example_of_a_check_is_right() {
    assert_eq!(format!("{:08x}", variorum::ot::Content::from("Hello").crc32()), "f7d18982");
}
