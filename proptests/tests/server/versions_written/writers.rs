//! People who write while something else is asked of the server.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptests::Source;
use proptests::live::{Server, patient};
use proptests::plain;
use serde_json::Value;
use variorum::client::{Client, Doc, Identity, Options};
use variorum::ot::TextOp;

/// Several people write a number of edits each; meanwhile `ask` is called again and again with the version they have
/// reached. Answers what it answered, when all of them have written everything.
pub async fn write_meanwhile<T>(
    server: &Server,
    doc: &str,
    writers: usize,
    edits: usize,
    mut ask: impl AsyncFnMut(u64) -> T,
) -> Vec<T> {
    let url = server.url();
    let left = AtomicUsize::new(writers);
    let mut docs: Vec<Doc> = Vec::new();
    for _ in 0..writers {
        let client = Client::connect(&url, Identity::random(), Options::default()).expect("an address");
        docs.push(patient(client.open(doc.parse().expect("a document id"), None)).await.expect("it opens"));
    }
    let writing = async {
        let each = docs.iter().zip(1..).map(|(doc, seed)| {
            let left = &left;
            async move {
                let mut source = Source::seeded(seed);
                for _ in 0..edits {
                    let typed = doc.edit(|machine| {
                        let len = machine.text().len();
                        let at = source.below(len + 1);
                        let deleted = source.below((len - at).min(4) + 1);
                        let text: &&str = source.pick(&["a", "bc", "x", "déf "]);
                        TextOp::splice(len, at, deleted, text)
                    });
                    typed.expect("the range lies within");
                    patient(doc.flushed()).await.expect("it is taken");
                }
                left.fetch_sub(1, Ordering::Relaxed);
            }
        });
        futures_util::future::join_all(each).await;
    };
    let mut answers = Vec::new();
    let asking = async {
        while left.load(Ordering::Relaxed) > 0 {
            answers.push(ask(docs[0].version().0).await);
            // One who asks for nothing leaves the others their turn.
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join(writing, asking).await;
    answers
}

/// The text at each version that revisions lead to, from the empty beginning on.
pub fn fold(revisions: &[Value]) -> Vec<String> {
    let mut texts = vec![String::new()];
    for revision in revisions {
        let op = TextOp::from_json(&revision["op"].to_string()).expect("a revision has an op");
        texts.push(plain::apply(&op, texts.last().expect("there is the beginning")));
    }
    texts
}
