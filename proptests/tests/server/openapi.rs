//! The OpenAPI description is true: it has every route and no other, and what the running server is asked and answers is as it
//! says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::people::{bearer, token};
use proptests::live::{Answer, Raw, Server, parts, secret};
use proptests::schema::Schemas;
use serde_json::{Value, json};
use variorum::limits::Limits;
use variorum::protocol::{Code, Route};
use variorum::server::{Access, Entry, Parts};
use variorum::store::MemoryStore;

const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");

fn description() -> Schemas {
    Schemas::of(serde_json::from_str(DESCRIPTION).expect("the description is JSON"))
}

/// Every operation: method and path, what is said of it, and its parameters with those of its path.
fn operations(schemas: &Schemas) -> BTreeMap<(String, String), Operation> {
    let paths = schemas.document()["paths"].as_object().expect("it has paths");
    let mut operations = BTreeMap::new();
    for (path, item) in paths {
        let shared = item["parameters"].as_array().cloned().unwrap_or_default();
        for (method, said) in
            item.as_object().expect("a path is an object").iter().filter(|(key, _)| *key != "parameters")
        {
            let mut parameters = shared.clone();
            parameters.extend(said["parameters"].as_array().cloned().unwrap_or_default());
            let parameters = parameters.iter().map(|one| schemas.resolve(one).clone()).collect();
            operations.insert((method.to_uppercase(), path.clone()), Operation { said: said.clone(), parameters });
        }
    }
    operations
}

struct Operation {
    said: Value,
    parameters: Vec<Value>,
}

impl Operation {
    /// Its parameters of this sort, by name.
    fn parameters(&self, sort: &str) -> BTreeMap<&str, &Value> {
        let some = self.parameters.iter().filter(|one| one["in"] == sort);
        some.map(|one| (one["name"].as_str().expect("a parameter has a name"), one)).collect()
    }
}

#[test]
fn every_route_is_described_and_no_other() {
    let schemas = description();
    let described: BTreeSet<_> = operations(&schemas).into_keys().collect();
    let routes: BTreeSet<_> =
        Route::ALL.iter().map(|route| (route.method().to_owned(), route.path().to_owned())).collect();
    assert_eq!(described, routes);
}

#[test]
fn the_codes_are_those_of_the_table_under_their_status() {
    let schemas = description();
    let named = schemas.document()["components"]["schemas"]["Code"]["enum"].as_array().expect("a list");
    let named: BTreeSet<_> = named.iter().map(|code| code.as_str().expect("a code is text")).collect();
    assert_eq!(named, Code::ALL.iter().map(|code| code.as_str()).collect());
    for ((method, path), operation) in operations(&schemas) {
        for (status, answer) in operation.said["responses"].as_object().expect("it has answers") {
            let said = schemas.resolve(answer)["description"].as_str().expect("an answer is described");
            for code in Code::ALL.iter().filter(|code| said.contains(&format!("`{}`", code.as_str()))) {
                assert_eq!(code.status().to_string(), *status, "{method} {path} names {}", code.as_str());
            }
        }
    }
}

/// The limits that the description tells of, which are those of a server that was told of no others.
#[test]
fn the_limits_are_the_servers() {
    let (schemas, limits) = (description(), Limits::default());
    let all = operations(&schemas);
    for (path, name, most) in [
        ("/v1/docs", "limit", limits.documents_per_page),
        ("/v1/docs/{id}/revisions", "limit", limits.revisions_per_page),
        ("/v1/docs/{id}/history", "limit", limits.stretches_per_page),
        ("/v1/docs/{id}/blame", "limit", limits.runs_per_page as u64),
        ("/v1/docs/{id}/search", "limit", limits.search_found),
        ("/v1/docs/{id}/branches", "limit", limits.documents_per_page),
    ] {
        let operation = &all[&("GET".to_owned(), path.to_owned())];
        assert_eq!(operation.parameters("query")[name]["schema"]["maximum"], json!(most), "{path}");
    }
    let search = &all[&("GET".to_owned(), "/v1/docs/{id}/search".to_owned())];
    assert_eq!(search.parameters("query")["text"]["schema"]["maxLength"], json!(limits.search_length));
}

/// Requests to a server, each held against the description with its answer.
struct Asking {
    schemas: Schemas,
    operations: BTreeMap<(String, String), Operation>,
    server: Server,
    /// Which statuses each route has been seen to answer with.
    seen: BTreeMap<(String, String), BTreeSet<u16>>,
    /// Parameters that were given, by route.
    given: BTreeSet<(String, String, String)>,
}

impl Asking {
    /// Asks, as someone who may do everything, and checks what comes back. `path` is that of the route, filled in, with a query.
    async fn ask(&mut self, route: Route, path: &str, headers: &[(&str, &str)], body: &str, status: u16) -> Answer {
        let admin = bearer(&token("ana", &[("", Access::Admin)]));
        let mut headers = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "Authorization") {
            headers.push(("Authorization", &admin));
        }
        let answer = self.server.http(route.method(), path, &headers, body).await;
        assert_eq!(answer.status, status, "{} {path}: {answer:?}", route.method());
        let key = (route.method().to_owned(), route.path().to_owned());
        let operation = &self.operations[&key];
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let queried = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| ("query", pair.split('=').next().expect("a name")));
        let given = headers.iter().map(|(name, _)| ("header", *name)).filter(|(_, name)| *name != "Authorization");
        for (sort, name) in queried.chain(given) {
            assert!(operation.parameters(sort).contains_key(name), "{key:?} is not described with the {sort} {name:?}");
            self.given.insert((key.0.clone(), key.1.clone(), name.to_owned()));
        }
        self.check_body(operation, body, status);
        self.check_answer(&key, operation, &answer);
        self.seen.entry(key).or_default().insert(status);
        answer
    }

    /// What a request carries that was taken is as described.
    fn check_body(&self, operation: &Operation, body: &str, status: u16) {
        let described = &operation.said["requestBody"]["content"];
        if body.is_empty() || status >= 300 {
            return;
        }
        if described.get("text/plain; charset=utf-8").is_some() {
            return;
        }
        let body = serde_json::from_str(body).expect("a body that is taken is JSON");
        let faults = self.schemas.faults(&described["application/json"]["schema"], &body);
        assert_eq!(faults, Vec::<String>::new(), "{body} was taken");
    }

    fn check_answer(&self, key: &(String, String), operation: &Operation, answer: &Answer) {
        let described = self.schemas.resolve(&operation.said["responses"][answer.status.to_string()]);
        assert!(described.is_object(), "{key:?} is not described to answer {}: {answer:?}", answer.status);
        let Some(content) = described["content"].as_object() else {
            assert_eq!(answer.body, "", "{key:?} answers {} with a body", answer.status);
            return;
        };
        let kind = answer.header("content-type").expect("what has a body says of what type");
        let media = content.get(&kind).unwrap_or_else(|| panic!("{key:?} is not described to answer with {kind}"));
        if kind == "application/json" {
            let faults = self.schemas.faults(&media["schema"], &answer.json());
            assert_eq!(faults, Vec::<String>::new(), "{key:?} answered {}", answer.body);
        }
        if answer.status >= 400 {
            let (code, said) = (answer.code(), described["description"].as_str().expect("an answer is described"));
            assert!(
                said.contains(&format!("`{code}`")),
                "{key:?} is not described to say {code} with {}",
                answer.status
            );
        }
        for (name, _) in described["headers"].as_object().into_iter().flatten() {
            let optional = name == "Retry-After";
            assert!(optional || answer.header(&name.to_lowercase()).is_some(), "{key:?} answers without {name}");
        }
    }
}

#[tokio::test]
async fn what_the_server_answers_is_as_described() {
    let entry = Entry::Tokens(Box::new(crate::people::tokens()));
    let server = Server::of(Parts { entry, store: Arc::new(MemoryStore::new()), ..parts() }).await;
    let schemas = description();
    let operations = operations(&schemas);
    let mut asking = Asking { schemas, operations, server, seen: BTreeMap::new(), given: BTreeSet::new() };
    let it = &mut asking;

    use Route::*;
    let d = |rest: &str| format!("/v1/docs/d{rest}");
    // Making and reading.
    it.ask(Create, &d(""), &[], r#"{"kind": "text", "content": "Hello world"}"#, 201).await;
    it.ask(Create, &d(""), &[], r#"{"kind": "text"}"#, 200).await;
    it.ask(Create, &d(""), &[], "{", 400).await;
    it.ask(Create, &d(""), &[], r#"{"kind": "board"}"#, 409).await;
    it.ask(Create, "/v1/docs/e", &[], r#"{"kind": "board"}"#, 422).await;
    it.ask(Create, "/v1/docs/%20", &[], r#"{"kind": "text"}"#, 400).await;
    let read = it.ask(Read, &d("?version=1"), &[], "", 200).await;
    let tag = read.header("etag").expect("a tag");
    let place = read.json();
    // Header names and values are compared in lower case; the epoch is not.
    let tag_said =
        format!("\"{}/1/{}\"", place["epoch"].as_str().expect("text"), place["chain"].as_str().expect("text"));
    assert_eq!(tag, tag_said.to_lowercase());
    it.ask(Read, &d(""), &[("If-None-Match", &tag_said)], "", 304).await;
    it.ask(Read, &d("?at=99999999999999"), &[], "", 200).await;
    it.ask(Read, &d("?at=1"), &[], "", 404).await;
    it.ask(Read, &d("?version=9"), &[], "", 409).await;
    it.ask(Read, "/v1/docs/none", &[], "", 404).await;
    it.ask(Content, &d("/content?version=1"), &[], "", 200).await;
    it.ask(Content, &d("/content?at=99999999999999"), &[], "", 200).await;
    it.ask(Content, &d("/content"), &[("If-None-Match", &tag_said)], "", 304).await;
    it.ask(Content, &d("/content?version=x"), &[], "", 400).await;
    it.ask(List, "/v1/docs?prefix=d&after=a&limit=5", &[], "", 200).await;
    it.ask(List, "/v1/docs?limit=0", &[], "", 400).await;
    // Writing.
    let client = secret("ana");
    let edit = json!({"version": 1, "op": [5, " there", 6], "client": client, "seq": 1, "epoch": place["epoch"], "chain": place["chain"]});
    it.ask(Edit, &d("/edits"), &[], &edit.to_string(), 200).await;
    it.ask(Edit, &d("/edits"), &[("Idempotency-Key", "k")], r#"{"version": 2, "op": [-5, "Howdy", 12]}"#, 200).await;
    it.ask(Edit, &d("/edits"), &[], r#"{"version": 2, "op": [1, 1]}"#, 400).await;
    it.ask(Edit, &d("/edits"), &[], r#"{"version": 2, "op": [1]}"#, 409).await;
    it.ask(Edit, &d("/edits"), &[], r#"{"version": 2, "op": [17], "epoch": "other"}"#, 412).await;
    let parts: Vec<Value> = (0..10_001).flat_map(|_| [json!("x"), json!(-1)]).collect();
    let many = json!({"version": 3, "op": parts}).to_string();
    it.ask(Edit, &d("/edits"), &[], &many, 409).await;
    let long = json!({"version": 3, "op": [17, "x".repeat(5 << 20)]}).to_string();
    it.ask(Edit, &d("/edits"), &[], &long, 413).await;
    it.ask(Replace, &d("/content"), &[("If-Match", &tag_said), ("Idempotency-Key", "p")], "Hello all the world", 200)
        .await;
    it.ask(Replace, &d("/content"), &[], "x", 428).await;
    it.ask(Replace, &d("/content"), &[("If-Match", "\"x\"")], "x", 400).await;
    it.ask(Replace, "/v1/docs/none/content", &[("If-Match", "*")], "x", 404).await;
    let other = format!("\"AAAAAAAAAAAAAAAAAAAAAA/1/{}\"", place["chain"].as_str().expect("text"));
    it.ask(Replace, &d("/content"), &[("If-Match", &other)], "x", 412).await;
    // The past.
    let mine = [("Variorum-Client", client.as_str()), ("Variorum-Pending", "1")];
    it.ask(Revisions, &d("/revisions?since=0&limit=3&composed=true"), &mine, "", 200).await;
    let with_place = format!(
        "/revisions?since=1&epoch={}&chain={}",
        place["epoch"].as_str().expect("text"),
        place["chain"].as_str().expect("text")
    );
    it.ask(Revisions, &d(&with_place), &[], "", 200).await;
    it.ask(Revisions, &d("/revisions?epoch=x"), &[], "", 412).await;
    it.ask(Revisions, &d("/revisions?since=99"), &[], "", 409).await;
    let page = it.ask(History, &d("/history?before=4&limit=2&pause_ms=1000"), &[], "", 200).await;
    it.ask(History, &d("/history?author=ana"), &[], "", 200).await;
    let known = tag_of(&page, &it.ask(Read, &d(""), &[], "", 200).await);
    it.ask(History, &d("/history"), &[("If-None-Match", &known)], "", 304).await;
    it.ask(History, &d("/history?limit=501"), &[], "", 400).await;
    it.ask(Diff, &d("/diff?from=1&to=4&kept=true"), &[], "", 200).await;
    it.ask(Diff, &d("/diff?from=4&to=0&format=text"), &[], "", 200).await;
    it.ask(Diff, &d("/diff?format=xml"), &[], "", 400).await;
    it.ask(Diff, &d("/diff"), &[("If-None-Match", "*")], "", 304).await;
    it.ask(Blame, &d("/blame?version=4&start=1&limit=2&text=false"), &[], "", 200).await;
    it.ask(Blame, &d("/blame"), &[], "", 200).await;
    it.ask(Blame, &d("/blame"), &[("If-None-Match", "*")], "", 304).await;
    it.ask(Blame, &d("/blame?version=99"), &[], "", 409).await;
    it.ask(Search, &d("/search?text=Hello&since=0&until=4&limit=9"), &[], "", 200).await;
    it.ask(Search, &d("/search?text=Hello&gone=true&since=1"), &[], "", 200).await;
    it.ask(Search, &d("/search?text=Hello"), &[("If-None-Match", "*")], "", 304).await;
    it.ask(Search, &d("/search"), &[], "", 400).await;
    // Labels, restores, branches.
    it.ask(PutLabel, &d("/labels/draft"), &[], r#"{"version": 1, "note": "sent"}"#, 201).await;
    it.ask(PutLabel, &d("/labels/draft"), &[], r#"{"version": 1, "note": "sent"}"#, 200).await;
    it.ask(PutLabel, &d("/labels/draft"), &[], r#"{"version": 2}"#, 409).await;
    it.ask(PutLabel, &d("/labels/now"), &[], "", 201).await;
    it.ask(Labels, &d("/labels"), &[], "", 200).await;
    it.ask(Labels, "/v1/docs/none/labels", &[], "", 404).await;
    it.ask(Label, &d("/labels/draft"), &[], "", 200).await;
    it.ask(Label, &d("/labels/none"), &[], "", 404).await;
    it.ask(DeleteLabel, &d("/labels/draft"), &[], "", 204).await;
    it.ask(DeleteLabel, &d("/labels/draft"), &[], "", 404).await;
    it.ask(Restore, &d("/restore"), &[], r#"{"from": 1, "to": 2, "user": "ana", "preview": true}"#, 200).await;
    it.ask(Restore, &d("/restore"), &[("Idempotency-Key", "r")], r#"{"version": 1}"#, 200).await;
    it.ask(Restore, &d("/restore"), &[], r#"{"version": 1, "from": 0}"#, 400).await;
    it.ask(Restore, &d("/restore"), &[], r#"{"version": 99}"#, 409).await;
    it.ask(Branch, &d("/branches"), &[], r#"{"id": "b", "version": 3}"#, 201).await;
    it.ask(Branch, &d("/branches"), &[], r#"{"id": "b", "version": 3}"#, 200).await;
    it.ask(Branch, &d("/branches"), &[], r#"{"id": "b", "version": 2}"#, 409).await;
    it.ask(Branches, &d("/branches?limit=1&after=a"), &[], "", 200).await;
    it.ask(Branches, &d("/branches?limit=0"), &[], "", 400).await;
    it.ask(Delete, &d(""), &[], "", 409).await;
    // Both sides change the same, so that a conflict is told.
    for (doc, text) in [("b", "Goodbye all"), ("d", "Welcome all")] {
        it.ask(Replace, &format!("/v1/docs/{doc}/content"), &[("If-Match", "*")], text, 200).await;
    }
    let preview = it.ask(Merge, &d("/merge"), &[], r#"{"branch": "b", "preview": true}"#, 200).await;
    assert_ne!(preview.json()["conflicts"], json!([]), "a conflict is seen");
    it.ask(Merge, &d("/merge"), &[], r#"{"branch": "b"}"#, 200).await;
    it.ask(Merge, &d("/merge"), &[], r#"{"branch": "d"}"#, 409).await;
    it.ask(Prune, &d("/prune"), &[], r#"{"keep": "30d", "preview": true}"#, 200).await;
    it.ask(Prune, &d("/prune"), &[], r#"{"keep": "soon"}"#, 400).await;
    it.ask(Delete, "/v1/docs/b", &[], "", 204).await;
    it.ask(Delete, "/v1/docs/b", &[], "", 404).await;
    // About the server.
    for route in [Health, Ready, Metrics] {
        it.ask(route, route.path(), &[], "", 200).await;
    }
    it.ask(Connect, Connect.path(), &[], "", 400).await;
    Raw::connect(it.server.address).await;
    it.seen.entry(("GET".into(), Connect.path().into())).or_default().insert(101);
    // By access: without a token, and with one that gives too little.
    let reader = bearer(&token("bo", &[("", Access::Read)]));
    let elsewhere = bearer(&token("bo", &[("elsewhere", Access::Admin)]));
    for route in Route::ALL.iter().filter(|route| ![Connect, Health, Ready, Metrics].contains(route)) {
        let path = route.path().replace("{id}", "d").replace("{name}", "draft");
        it.ask(*route, &path, &[("Authorization", "")], "", 401).await;
        it.ask(*route, &path, &[("Authorization", &elsewhere)], "", 403).await;
    }
    it.ask(Edit, &d("/edits"), &[("Authorization", &reader)], r#"{"version": 0, "op": ["x"]}"#, 403).await;

    for route in Route::ALL {
        let key = (route.method().to_owned(), route.path().to_owned());
        let seen = it.seen.get(&key).unwrap_or_else(|| panic!("{key:?} was not asked"));
        assert!(seen.iter().any(|status| *status < 400), "{key:?} never went well: {seen:?}");
        // These have no error of their own while the server is well.
        let always_well = [Health, Ready, Metrics].contains(route);
        assert!(always_well || seen.iter().any(|status| *status >= 400), "{key:?} never failed: {seen:?}");
        let operation = &it.operations[&key];
        for name in operation.parameters("query").keys().chain(operation.parameters("header").keys()) {
            let given = it.given.contains(&(key.0.clone(), key.1.clone(), (*name).to_owned()));
            assert!(given || *route == Connect, "{key:?} was never given {name}");
        }
    }
    asking.server.stop().await;
}

/// The tag of an answer about the newest version: the client reads headers in lower case, and epochs are not.
fn tag_of(answer: &Answer, snapshot: &Answer) -> String {
    let place = snapshot.json();
    let tag = format!(
        "\"{}/{}/{}\"",
        place["epoch"].as_str().expect("text"),
        place["version"],
        place["chain"].as_str().expect("text")
    );
    assert_eq!(answer.header("etag"), Some(tag.to_lowercase()));
    tag
}
