//! Open documents: read into memory when asked for, out of it when nobody has them open, and nothing written for a look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptests::Source;
use proptests::faulty::{Call, Fate, Faulty};
use proptests::live::secret;
use variorum::document::{
    Author, ClientKey, DocumentId, Edit, EditLimits, Kind, Origin, Place, SentOp, Seq, Stretch, User, Version,
};
use variorum::hub::{Body, Creation, Delivery, Following, Hub, Live, OpenError, Outcome, Settings, Signal, System};
use variorum::limits::Limits;
use variorum::metrics::Metrics;
use variorum::ot::TextOp;
use variorum::store::{MemoryStore, SNAPSHOT_EVERY, SNAPSHOT_WEIGHT, Store};

const IDLE: Duration = Duration::from_secs(30);

struct World {
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
}

impl World {
    fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        World { hub: hub(&store), store }
    }

    async fn open(&self, name: &str) -> Arc<Live> {
        let creation = Creation { kind: Kind::Text, content: String::new(), author: author() };
        self.hub.open(&id(name), Some(&creation)).await.expect("it opens").0
    }
}

fn hub(store: &Arc<dyn Store>) -> Arc<Hub> {
    let edit_limits: EditLimits = Limits::default().edit();
    let settings = Settings { edit_limits, idle_timeout: IDLE, open_documents: 1_000, metrics: Metrics::new() };
    Hub::new(store.clone(), Arc::new(System), settings)
}

fn id(name: &str) -> DocumentId {
    name.parse().expect("a document id")
}

fn author() -> Arc<Author> {
    Arc::new(Author { session: Some("s".into()), user: User { id: "u".into(), name: "Ana".into() } })
}

async fn types(live: &Live, seq: u64, length: u64) -> Version {
    asks(live, seq, TextOp::splice(length, length, 0, "x").expect("the end is within the document")).await
}

async fn asks(live: &Live, seq: u64, op: TextOp) -> Version {
    let origin = Some(Origin { client: ClientKey::of_client(&secret("typist")), seq: Seq(seq) });
    let edit = Edit { base: live.head(), origin, author: author(), may_write: true, op: Ok(SentOp::from(op)) };
    match live.submit(edit).await {
        Outcome::Granted(revision) => revision.version,
        other => panic!("expected a grant, got {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_leaves_memory_when_nobody_has_it_open() {
    let world = World::new();
    let live = world.open("d").await;
    types(&live, 1, 0).await;
    let bell = (Arc::new(Signal::default()), 0);
    let client = ClientKey::of_client(&secret("reader"));
    let following = live.follow(author(), client, bell, None, None).await.expect("it is followed");
    // However long it is quiet, it stays while someone has it open.
    tokio::time::sleep(IDLE * 10).await;
    assert_eq!(world.hub.open_documents(), 1);
    drop(following);
    tokio::time::sleep(IDLE * 3).await;
    assert_eq!(world.hub.open_documents(), 0);
    assert!(live.has_ended());
    // It comes back as it was, and takes edits.
    let again = world.open("d").await;
    assert_eq!((again.head(), again.now().content.to_string()), (Version(1), "x".to_owned()));
    assert_eq!(types(&again, 2, 1).await, Version(2));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_used_stays_in_memory() {
    let world = World::new();
    let live = world.open("d").await;
    for seq in 1..=20 {
        tokio::time::sleep(IDLE / 2).await;
        types(&live, seq, seq - 1).await;
    }
    assert!(!live.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_document_writes_nothing_and_an_unknown_one_leaves_nothing() {
    let world = World::new();
    let live = world.open("d").await;
    types(&live, 1, 0).await;
    tokio::time::sleep(IDLE * 3).await;
    let before = world.store.head(live.incarnation()).await;
    let looked = world.open("d").await;
    assert_eq!(looked.now().content.to_string(), "x");
    tokio::time::sleep(IDLE * 3).await;
    assert_eq!(world.store.head(live.incarnation()).await, before);
    let unknown = world.hub.open(&id("nobody"), None).await.map(|_| ());
    assert_eq!(unknown, Err(OpenError::Unknown("nobody".into())));
    assert_eq!(world.hub.open_documents(), 0);
    assert_eq!(world.store.find(&id("nobody")).await, Ok(None));
}

#[tokio::test]
async fn whoever_opens_one_document_at_once_gets_the_same() {
    let world = World::new();
    let opened = futures_util::future::join_all((0..50).map(|_| world.open("d"))).await;
    assert!(opened.iter().all(|live| Arc::ptr_eq(live, &opened[0])));
    assert_eq!(world.hub.open_documents(), 1);
}

#[tokio::test]
async fn opening_reads_the_last_snapshot_and_what_follows_it() {
    let world = World::new();
    let live = world.open("d").await;
    let typed = SNAPSHOT_EVERY + 100;
    for seq in 1..=typed {
        types(&live, seq, seq - 1).await;
    }
    world.hub.drain().await;
    // The snapshot is kept in passing; what is opened later begins there.
    let tail = world.store.tail(live.incarnation()).await.expect("a tail");
    assert_eq!(tail.snapshot.map(|snapshot| snapshot.version), Some(Version(SNAPSHOT_EVERY)));
    assert_eq!(tail.revisions.len(), 100);
    let again = hub(&world.store);
    let (live, made) = again.open(&id("d"), None).await.expect("it opens");
    assert_eq!((live.head(), made), (Version(typed), false));
    assert_eq!(live.now().content.len(), typed);
    // An edit from the very beginning is taken like any other, and history can be read from there.
    let op = TextOp::splice(0, 0, 0, "!").expect("an empty document");
    let edit = Edit { base: Version::ZERO, origin: None, author: author(), may_write: true, op: Ok(SentOp::from(op)) };
    assert!(matches!(live.submit(edit).await, Outcome::Granted(_)));
    assert!(live.now().content.to_string().starts_with('!'), "the incoming side goes left");
    for version in [0, 1, 63, 64, 65, 8191, 8192, 8193, typed] {
        let past = live.snapshot_at(Version(version)).await.expect("it is read");
        assert_eq!(past.content.len(), version);
    }
    // Whatever part of its history is asked for is what the log says, if it comes from memory, from the store, or from both.
    for seq in typed + 1..=typed + 1_400 {
        types(&live, seq, seq).await;
    }
    let head = live.head();
    let mut source = Source::seeded(64);
    for oldest in [0, SNAPSHOT_EVERY - 100, SNAPSHOT_EVERY, head.0 - 700] {
        for _ in 0..60 {
            let from = Version(oldest + source.below(head.0 - oldest));
            let to = Version(from.0 + 1 + source.below(head.0 - from.0));
            let parts = world.store.stretches(live.incarnation(), from, to).await.expect("it is read");
            let read = live.stretch(from, to).await.expect("it is read");
            assert_eq!(read, Stretch::join_all(parts), "{from} to {to}");
        }
    }
}

#[tokio::test]
async fn a_document_of_large_ops_is_opened_from_a_snapshot_near_its_head() {
    let world = World::new();
    let live = world.open("d").await;
    let (most, mut length) = (Limits::default().op_bytes, 0);
    for seq in 1..=40 {
        let text = char::from(b'a' + (seq % 26) as u8).to_string().repeat(most);
        asks(&live, seq, TextOp::splice(length, 0, length, &text).expect("all of it")).await;
        length = most as u64;
    }
    world.hub.drain().await;
    let tail = world.store.tail(live.incarnation()).await.expect("a tail");
    let weight: usize = tail.revisions.iter().map(|revision| revision.op.weight()).sum();
    assert!(weight <= SNAPSHOT_WEIGHT, "{weight} bytes are read to open it");
    let again = World { hub: hub(&world.store), store: world.store.clone() };
    let live = again.open("d").await;
    assert_eq!((live.head(), live.now().content.len()), (Version(40), length));
    // The past is read in pieces that weigh no more than was asked for, and one revision.
    let some = live.some_revisions(Version::ZERO, Version(40), 3 * most).await.expect("they are read");
    assert_eq!(some.iter().map(|revision| revision.version.0).collect::<Vec<_>>(), [1, 2, 3]);
    let one = live.some_revisions(Version(20), Version(40), 1).await.expect("it is read");
    assert_eq!(one.iter().map(|revision| revision.version.0).collect::<Vec<_>>(), [21]);
}

#[tokio::test]
async fn a_draining_hub_opens_nothing_and_ends_what_was_open() {
    let world = World::new();
    let live = world.open("d").await;
    let bell = (Arc::new(Signal::default()), 0);
    let client = ClientKey::of_client(&secret("reader"));
    let following = live.follow(author(), client, bell, None, None).await.expect("it is followed");
    assert!(matches!(following.body, Body::Content(..)));
    world.hub.drain().await;
    let refused = world.hub.open(&id("d"), None).await.map(|_| ());
    assert_eq!(refused, Err(OpenError::Draining));
    let mut follow = following.follow;
    let mut taken = Vec::new();
    follow.take(&mut taken, 8);
    assert!(matches!(taken.last(), Some(variorum::hub::Delivery::Ended(_))), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_is_far_behind_gets_its_own_edit_by_itself() {
    let world = World::new();
    let live = world.open("d").await;
    let reader = ClientKey::of_client(&secret("reader"));
    let bell = (Arc::new(Signal::default()), 0);
    let mut follow = live.follow(author(), reader, bell, None, None).await.expect("it is open").follow;
    for seq in 1..=40 {
        types(&live, seq, seq - 1).await;
    }
    let op = TextOp::splice(40, 0, 0, "y").expect("the beginning is within the document");
    let origin = Some(Origin { client: reader, seq: Seq(1) });
    follow.submit(Edit { base: Version(40), origin, author: author(), may_write: true, op: Ok(SentOp::from(op)) });
    while live.head() == Version(40) {
        tokio::task::yield_now().await;
    }
    for seq in 41..=80 {
        types(&live, seq, seq).await;
    }
    let mut taken = Vec::new();
    while follow.take(&mut taken, 8) {}
    // What is before it, itself, what is after it: no more than that, and nothing of it in the others.
    let led = taken.iter().filter_map(|delivery| match delivery {
        Delivery::Own(revision) => Some(("own", revision.version.0 - 1, revision.version.0)),
        Delivery::Revision(revision) => Some(("another's", revision.version.0 - 1, revision.version.0)),
        Delivery::Stretch { from, to, .. } | Delivery::Old { from, to } => Some(("others'", from.0, to.0)),
        _ => None,
    });
    assert_eq!(led.collect::<Vec<_>>(), [("others'", 0, 40), ("own", 40, 41), ("others'", 41, 81)]);
}

/// What is committed between a reader's arrival and the end of reading what it missed comes after that, and is not passed over.
#[tokio::test(start_paused = true)]
async fn what_is_committed_while_a_reader_opens_is_told_to_it_afterwards() {
    let is_late = Arc::new(AtomicBool::new(false));
    let late = is_late.clone();
    let faulty = Faulty::new(move |call| match call {
        Call::Read if late.load(Ordering::Relaxed) => Fate::Late(200),
        _ => Fate::Done,
    });
    let store: Arc<dyn Store> = faulty;
    let world = World { hub: hub(&store), store };
    let live = world.open("d").await;
    let typed = SNAPSHOT_EVERY + 100;
    for seq in 1..=typed {
        types(&live, seq, seq - 1).await;
    }
    let early = live.revision(Version(10)).await.expect("it is kept");
    let epoch = live.identity().epoch;
    world.hub.drain().await;
    let (live, _) = hub(&world.store).open(&id("d"), None).await.expect("it opens");
    // A first edit, so that the authority knows its client and reads nothing for the next ones.
    types(&live, typed + 1, typed).await;
    is_late.store(true, Ordering::Relaxed);
    let place = Place { epoch: Some(epoch), version: early.version, chain: Some(early.chain) };
    let bell = (Arc::new(Signal::default()), 0);
    let reader = ClientKey::of_client(&secret("reader"));
    let mut opening = Box::pin(live.follow(author(), reader, bell, Some(place), None));
    let mut head = typed + 1;
    let following = loop {
        tokio::select! {
            following = &mut opening => break following.expect("it is open"),
            () = tokio::time::sleep(Duration::from_millis(10)) => {
                head += 1;
                types(&live, head, head - 1).await;
            }
        }
    };
    let Following { mut follow, version, body, .. } = following;
    assert!(matches!(body, Body::Revisions(_)) && version < live.head(), "{version} of {}", live.head());
    let mut taken = Vec::new();
    while follow.take(&mut taken, 8) {}
    let mut at = version;
    for delivery in taken {
        let (from, to) = match delivery {
            Delivery::Revision(revision) => (Version(revision.version.0 - 1), revision.version),
            Delivery::Stretch { from, to, .. } => (from, to),
            _ => continue,
        };
        assert_eq!(from, at, "what is told follows on what was given at the beginning");
        at = to;
    }
    assert_eq!(at, live.head());
}
