//! An edit sent again is the same edit: one revision, and the same ack, however, wherever and whenever it is sent.

use std::sync::Arc;
use std::time::Duration;

use proptests::live::{Raw, Server, history, http};
use serde_json::{Value, json};
use tempfile::TempDir;
use variorum::limits::Limits;
use variorum::store::{MemoryStore, SqliteOptions, SqliteStore, Store};

/// Where the server of a story keeps its documents.
enum Keep {
    Memory(Arc<MemoryStore>),
    Directory(TempDir),
}

/// A server that can be stopped and started again over what it kept.
struct Place {
    keep: Keep,
    server: Server,
}

impl Keep {
    fn both() -> [Keep; 2] {
        [Keep::Memory(Arc::new(MemoryStore::new())), Keep::Directory(tempfile::tempdir().unwrap())]
    }

    fn store(&self) -> Arc<dyn Store> {
        match self {
            Keep::Memory(store) => store.clone(),
            Keep::Directory(directory) => {
                Arc::new(SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap())
            }
        }
    }
}

impl Place {
    async fn begin(keep: Keep) -> Self {
        let server = Server::with(keep.store(), Limits::default()).await;
        Place { keep, server }
    }

    async fn restarts(self) -> Self {
        self.server.stop().await;
        Self::begin(self.keep).await
    }

    /// A connection of a client that has the document open.
    async fn connects(&self, name: &str) -> Raw {
        let mut raw = self.server.client(name).await;
        raw.open("d", "").await;
        raw
    }

    /// How many revisions the document has, and its text.
    async fn now(&self) -> (usize, String) {
        let content = http(self.server.address, "GET", "/v1/docs/d/content", &[], "").await.body;
        (history(self.server.address, "d").await.len(), content)
    }
}

/// Sends an edit and hears what answers it; what others did meanwhile is passed over.
async fn sends(raw: &mut Raw, version: u64, seq: u64, op: Value) -> Value {
    raw.edit("d", version, seq, op).await;
    loop {
        let message = raw.hear().await;
        if matches!(message["type"].as_str(), Some("ack" | "refused" | "error")) {
            return message;
        }
    }
}

#[tokio::test]
async fn on_the_same_connection() {
    for keep in Keep::both() {
        let place = Place::begin(keep).await;
        let mut alice = place.connects("alice").await;
        let ack = sends(&mut alice, 0, 1, json!(["hi"])).await;
        assert_eq!((&ack["type"], &ack["version"]), (&json!("ack"), &json!(1)));
        assert_eq!(sends(&mut alice, 0, 1, json!(["hi"])).await, ack);
        assert_eq!(place.now().await, (1, "hi".into()));
    }
}

#[tokio::test]
async fn whatever_op_and_base_come_with_it() {
    for keep in Keep::both() {
        let place = Place::begin(keep).await;
        let mut alice = place.connects("alice").await;
        let ack = sends(&mut alice, 0, 1, json!(["hi"])).await;
        for (base, op) in [(0, json!(["ho"])), (1, json!([2, "!"])), (99, json!([7])), (0, json!([0, true]))] {
            assert_eq!(sends(&mut alice, base, 1, op).await, ack);
        }
        assert_eq!(place.now().await, (1, "hi".into()));
    }
}

#[tokio::test]
async fn on_a_new_connection() {
    for keep in Keep::both() {
        let place = Place::begin(keep).await;
        let mut alice = place.connects("alice").await;
        let ack = sends(&mut alice, 0, 1, json!(["hi"])).await;
        let mut again = place.connects("alice").await;
        assert_eq!(sends(&mut again, 0, 1, json!(["hi"])).await, ack);
        assert_eq!(place.now().await, (1, "hi".into()));
    }
}

#[tokio::test]
async fn after_open_without_waiting_for_its_answer() {
    for keep in Keep::both() {
        let place = Place::begin(keep).await;
        let ack = sends(&mut place.connects("alice").await, 0, 1, json!(["hi"])).await;
        let mut again = place.server.client("alice").await;
        again.say(json!({"type": "open", "doc": "d", "pending": 1})).await;
        assert_eq!(sends(&mut again, 0, 1, json!(["hi"])).await, ack);
        assert_eq!(place.now().await, (1, "hi".into()));
    }
}

#[tokio::test]
async fn after_a_restart() {
    for keep in Keep::both() {
        let place = Place::begin(keep).await;
        let mut alice = place.connects("alice").await;
        sends(&mut alice, 0, 1, json!(["a"])).await;
        let ack = sends(&mut alice, 1, 2, json!([1, "b"])).await;
        let place = place.restarts().await;
        let mut again = place.connects("alice").await;
        assert_eq!(sends(&mut again, 1, 2, json!([1, "b"])).await, ack);
        let lower = sends(&mut again, 0, 1, json!(["a"])).await;
        assert_eq!((&lower["type"], &lower["code"]), (&json!("refused"), &json!("seq_out_of_order")));
        assert_eq!(place.now().await, (2, "ab".into()));
    }
}

#[tokio::test]
async fn after_the_document_has_left_memory() {
    for keep in Keep::both() {
        let limits = Limits { document_idle: Duration::from_millis(20), ..Limits::default() };
        let server = Server::with(keep.store(), limits).await;
        let mut alice = server.client("alice").await;
        alice.open("d", "").await;
        let ack = sends(&mut alice, 0, 1, json!(["hi"])).await;
        drop(alice);
        // Longer than the document stays without readers; if it has not left by then, the answer is the same.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut again = server.client("alice").await;
        again.open("d", "").await;
        assert_eq!(sends(&mut again, 0, 1, json!(["hi"])).await, ack);
        server.stop().await;
    }
}

#[tokio::test]
async fn twice_in_one_batch() {
    for keep in Keep::both() {
        let place = Place::begin(keep).await;
        let mut alice = place.connects("alice").await;
        // Sent without waiting: whether both fall into one batch of the authority is its own affair, and many try.
        for seq in 1..=50 {
            alice.edit("d", 0, seq, json!(["x"])).await;
            alice.edit("d", 0, seq, json!(["x"])).await;
        }
        let mut acks: Vec<Value> = Vec::new();
        for _ in 0..100 {
            acks.push(alice.hears("ack").await);
        }
        for seq in 1..=50 {
            let of_it: Vec<&Value> = acks.iter().filter(|ack| ack["seq"] == seq).collect();
            assert_eq!(of_it.len(), 2, "{of_it:?}");
            assert_eq!(of_it[0], of_it[1]);
            assert_eq!(of_it[0]["version"], seq);
        }
        assert_eq!(place.now().await, (50, "x".repeat(50)));
    }
}

#[tokio::test]
async fn as_first_sent_and_as_moved() {
    for keep in Keep::both() {
        let place = Place::begin(keep).await;
        let (mut alice, mut bob) = (place.connects("alice").await, place.connects("bob").await);
        sends(&mut bob, 0, 1, json!(["base"])).await;
        sends(&mut bob, 1, 2, json!([2, -1, "bob", 1])).await;
        let ack = sends(&mut alice, 1, 1, json!([1, "alice", -2, 1])).await;
        assert_eq!(ack["version"], 3);
        // Moved past bob's edit: of the two characters that alice deletes, bob has deleted the second.
        let moved = json!([1, "alice", -1, 4]);
        assert_eq!(sends(&mut alice, 2, 1, moved.clone()).await, ack);
        let revisions = history(place.server.address, "d").await;
        assert_eq!(revisions[2]["op"], moved, "the law makes them one");
        assert_eq!(place.now().await, (3, "balicebobe".into()));

        // The other way round: the moved one is taken, and the one first sent comes late.
        let mut carol = place.connects("carol").await;
        let ack = sends(&mut carol, 2, 1, json!([6, "c"])).await;
        assert_eq!(sends(&mut carol, 3, 1, json!([10, "c"])).await, ack);
        assert_eq!(place.now().await, (4, "balicebobec".into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_its_history_is_in_blocks() {
    const LATER: u64 = 9_000;
    for keep in Keep::both() {
        let place = Place::begin(keep).await;
        let mut alice = place.connects("alice").await;
        let first = sends(&mut alice, 0, 1, json!(["alice"])).await;
        let mut carol = place.connects("carol").await;
        let only = sends(&mut carol, 1, 1, json!([5, "c"])).await;
        drop((alice, carol));
        let mut bob = place.connects("bob").await;
        let mut version = 2;
        while version <= LATER {
            // As many at once as one batch may hold; none has seen the others.
            for seq in version..version + 60 {
                bob.edit("d", version, seq, json!(["b", version + 4])).await;
            }
            for _ in 0..60 {
                version = bob.hears("ack").await["version"].as_u64().unwrap();
            }
        }
        assert_eq!(version, LATER + 2);

        let mut again = place.connects("alice").await;
        assert_eq!(sends(&mut again, 0, 1, json!(["alice"])).await, first, "the revision is thousands behind");
        let far = sends(&mut again, 1, 2, json!([5, "far"])).await;
        assert_eq!(far["version"], LATER + 3, "{far}");
        assert_eq!(sends(&mut again, 1, 2, json!([5, "far"])).await, far, "the base is thousands behind");
        let moved = json!([LATER + 5, "far", 1]);
        assert_eq!(sends(&mut again, LATER + 2, 2, moved.clone()).await, far, "and as moved");

        let place = place.restarts().await;
        let mut again = place.connects("alice").await;
        assert_eq!(sends(&mut again, 1, 2, json!([5, "far"])).await, far, "and after a restart");
        let mut carol = place.connects("carol").await;
        let again = sends(&mut carol, 1, 1, json!([5, "c"])).await;
        assert_eq!(again, only, "and where the document is opened from a snapshot that is newer");
        let revisions = history(place.server.address, "d").await;
        assert_eq!(revisions.len() as u64, LATER + 3);
        assert_eq!(revisions.last().unwrap()["op"], moved);
    }
}
