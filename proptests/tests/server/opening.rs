//! What may happen while a document is being opened: everyone who opens it has the same one.

use std::time::Duration;

use proptests::faulty::{Call, Fate, Faulty};
use proptests::live::{Server, patient};
use serde_json::json;
use variorum::limits::Limits;

/// A store that takes its time, so that what happens meanwhile does.
fn slow() -> std::sync::Arc<Faulty<impl Fn(Call) -> Fate>> {
    Faulty::new(|call| if call == Call::Append { Fate::Done } else { Fate::Late(30) })
}

#[tokio::test]
async fn who_asks_in_vain_does_not_part_those_who_make_it() {
    let server = Server::with(slow(), Limits::default()).await;
    let (mut ana, mut bo, mut eve) =
        (server.client("ana").await, server.client("bo").await, server.client("eve").await);
    // Eve looks for a document that is not there yet; Ana makes it meanwhile and waits for the answer to Eve's look.
    eve.say(json!({"type": "open", "doc": "d"})).await;
    eve.say(json!({"type": "ping"})).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let opened = ana.open("d", "").await;
    assert_eq!(eve.hears("error").await["code"], "unknown_document");
    assert_eq!(opened["presence"]["count"], 1);
    assert_eq!(bo.open("d", "").await["presence"]["count"], 2);
    ana.edited("d", 0, 1, json!(["a"])).await;
    assert_eq!(bo.hears("revision").await["op"], json!(["a"]));
    server.stop().await;
}

#[tokio::test]
async fn a_document_made_by_many_at_once_is_one() {
    for round in 0..5 {
        let server =
            Server::with(slow(), Limits { document_idle: Duration::from_millis(200), ..Limits::default() }).await;
        let mut everyone = Vec::new();
        for n in 0..8 {
            everyone.push(server.client(&format!("client-{n}")).await);
        }
        for (n, client) in everyone.iter_mut().enumerate() {
            let create = (n % 2 == round % 2).then(|| json!({"kind": "text", "content": "x"}));
            client.say(json!({"type": "open", "doc": "d", "create": create})).await;
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        let mut readers = Vec::new();
        for mut client in everyone {
            let answer = client.hear().await;
            match answer["type"].as_str() {
                Some("opened") => readers.push((client, answer["epoch"].clone())),
                _ => assert_eq!(answer["code"], "unknown_document", "{answer}"),
            }
        }
        assert!(readers.iter().all(|(_, epoch)| *epoch == readers[0].1));
        readers[0].0.edit("d", 1, 1, json!([1, "y"])).await;
        for (reader, _) in &mut readers[1..] {
            assert_eq!(patient(reader.hears("revision")).await["version"], 2);
        }
        server.stop().await;
    }
}
