//! The store of a simulated server: the memory engine before a disk that is late, fails, and tears what was not synced.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use variorum::document::{
    ClientKey, DocumentId, Identity, Label, LabelName, LedgerPage, Revision, Snapshot, Stretch, Taken, Time, Trail,
    Version,
};
use variorum::store::{
    AppendError, BranchPoint, Condition, Created, Found, Head, Incarnation, Kept, Labelled, Listed, MemoryStore,
    Pending, Pruned, PrunedPast, Store, StoreError, Tail,
};

use super::disk::{Disk, Frame, apply};

/// Writes of many documents are gathered and synced together, as a real engine does it.
pub struct Engine {
    disk: Arc<Disk>,
    /// Documents are opened, and old versions read, from snapshots at multiples of this: a multiple of 64.
    snapshot_every: u64,
    /// What is synced.
    sound: MemoryStore,
    queue: Mutex<Vec<Write>>,
    /// Calls the syncer, and whoever waits for it to have nothing left.
    bell: Notify,
    busy: AtomicBool,
    closed: AtomicBool,
    failing: AtomicBool,
}

enum Write {
    Create { identity: Identity, first: Option<Arc<Revision>>, reply: oneshot::Sender<Result<Created, StoreError>> },
    Append { document: Incarnation, revisions: Vec<Arc<Revision>>, reply: oneshot::Sender<Result<(), AppendError>> },
    Remove { document: Incarnation, reply: oneshot::Sender<Result<(), StoreError>> },
}

/// Who is to be told that a frame is durable, or that this is not known.
enum Told {
    Created(Incarnation, oneshot::Sender<Result<Created, StoreError>>),
    Appended(oneshot::Sender<Result<(), AppendError>>),
    Removed(oneshot::Sender<Result<(), StoreError>>),
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}

impl Engine {
    /// Opens what is on the disk. Called within the server's runtime, with which it ends.
    pub fn open(disk: Arc<Disk>, snapshot_every: u64) -> Arc<Self> {
        let engine = Arc::new(Engine {
            sound: disk.recover(),
            disk,
            snapshot_every,
            queue: Mutex::default(),
            bell: Notify::new(),
            busy: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            failing: AtomicBool::new(false),
        });
        tokio::spawn(engine.clone().sync_for_ever());
        engine
    }

    async fn sync_for_ever(self: Arc<Self>) {
        loop {
            let rung = self.bell.notified();
            let batch = std::mem::take(&mut *self.queue.lock());
            if batch.is_empty() {
                rung.await;
                continue;
            }
            self.busy.store(true, Ordering::Release);
            self.sync(batch).await;
            self.busy.store(false, Ordering::Release);
            self.bell.notify_waiters();
        }
    }

    async fn sync(&self, batch: Vec<Write>) {
        let (frames, told) = self.prepare(batch).await;
        if frames.is_empty() {
            return;
        }
        let (takes_ms, fails, outage_ms, done) = {
            let mut medium = self.disk.medium.lock();
            frames.iter().for_each(|(document, frame)| medium.write(*document, frame));
            let (slow_ms, sync_fails) = (medium.mood.slow_ms, medium.mood.sync_fails);
            let dice = &mut medium.dice;
            (1 + dice.below(slow_ms + 3), dice.below(100) < sync_fails, 50 + dice.below(4_000), dice.below(2) == 0)
        };
        tokio::time::sleep(Duration::from_millis(takes_ms)).await;
        let stage = &self.disk.stage;
        if !fails {
            self.disk.medium.lock().sync();
            frames.into_iter().for_each(|(_, frame)| apply(&self.sound, frame));
            told.into_iter().for_each(|told| match told {
                Told::Created(document, reply) => drop(reply.send(Ok(Created::New(document)))),
                Told::Appended(reply) => drop(reply.send(Ok(()))),
                Told::Removed(reply) => drop(reply.send(Ok(()))),
            });
            return;
        }
        stage.fault("sync error", format_args!("{} frames, for {outage_ms} ms", frames.len()));
        self.failing.store(true, Ordering::Release);
        let why = || unavailable("the disk did not sync");
        told.into_iter().for_each(|told| match told {
            Told::Created(_, reply) => drop(reply.send(Err(why()))),
            Told::Appended(reply) => drop(reply.send(Err(why().into()))),
            Told::Removed(reply) => drop(reply.send(Err(why()))),
        });
        // Nothing is acknowledged until it is known what the disk holds.
        tokio::time::sleep(Duration::from_millis(outage_ms)).await;
        if done {
            self.disk.medium.lock().sync();
            frames.into_iter().for_each(|(_, frame)| apply(&self.sound, frame));
        } else {
            self.disk.medium.lock().forget_unsynced();
        }
        stage.note(
            "disk",
            format_args!("good again; what failed to sync was {}", if done { "done" } else { "not done" }),
        );
        self.failing.store(false, Ordering::Release);
    }

    /// What is to be written. What another was first to do is answered at once; a document's second write of a batch waits.
    async fn prepare(&self, batch: Vec<Write>) -> (Vec<(Incarnation, Frame)>, Vec<Told>) {
        let (mut frames, mut told) = (Vec::new(), Vec::new());
        let mut met: BTreeSet<String> = BTreeSet::new();
        let mut made = 0;
        let mut later = Vec::new();
        for write in batch {
            match write {
                Write::Create { identity, first, reply } => match self.sound.find(&identity.id).await {
                    Ok(Some(found)) => drop(reply.send(Ok(Created::Existing(found)))),
                    _ if !met.insert(identity.id.to_string()) => later.push(Write::Create { identity, first, reply }),
                    _ => {
                        made += 1;
                        let document = Incarnation(self.disk.histories().len() as u64 + made);
                        frames.push((document, Frame::Creation(identity, first)));
                        told.push(Told::Created(document, reply));
                    }
                },
                Write::Append { document, revisions, reply } => {
                    let at = Version(revisions[0].version.0 - 1);
                    match self.sound.head(document).await {
                        Ok(head) if head.version != at => {
                            drop(reply.send(Err(AppendError::Conflict { head: head.version })));
                        }
                        Err(error) => drop(reply.send(Err(error.into()))),
                        _ if !met.insert(document.0.to_string()) => {
                            later.push(Write::Append { document, revisions, reply });
                        }
                        Ok(_) => {
                            frames.push((document, Frame::Revisions(document, revisions)));
                            told.push(Told::Appended(reply));
                        }
                    }
                }
                Write::Remove { document, reply } => match self.sound.head(document).await {
                    Err(error) => drop(reply.send(Err(error))),
                    Ok(_) if !met.insert(document.0.to_string()) => later.push(Write::Remove { document, reply }),
                    Ok(_) => {
                        frames.push((document, Frame::Removal(document)));
                        told.push(Told::Removed(reply));
                    }
                },
            }
        }
        if !later.is_empty() {
            self.queue.lock().extend(later);
            self.bell.notify_one();
        }
        (frames, told)
    }

    /// Whether a write is not even begun.
    fn refuses(&self) -> Option<StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Some(unavailable("it is closed"));
        }
        if self.failing.load(Ordering::Acquire) {
            return Some(unavailable("it has not recovered yet"));
        }
        let mut medium = self.disk.medium.lock();
        let fails = medium.mood.write_fails;
        if medium.dice.below(100) < fails {
            drop(medium);
            self.disk.stage.fault("write error", "not done");
            return Some(unavailable("the disk is full"));
        }
        None
    }

    /// The newest snapshot at or before a version. They are made when asked for, which comes to the same as having kept them.
    async fn snapshot(&self, document: Incarnation, before: Version) -> Result<Option<Snapshot>, StoreError> {
        let version = Version(before.0 - before.0 % self.snapshot_every);
        if version == Version::ZERO {
            return Ok(None);
        }
        let histories = self.disk.histories();
        let mut snapshot = Snapshot::genesis(&histories[document.0 as usize - 1].identity);
        for stretch in self.sound.stretches(document, Version::ZERO, version).await? {
            snapshot.forward(&stretch).expect("a history fits together");
        }
        Ok(Some(snapshot))
    }

    fn put(&self, write: Write) {
        self.queue.lock().push(write);
        self.bell.notify_one();
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&'a MemoryStore) -> Pending<'a, Result<T, StoreError>> + Send + 'a,
    ) -> Pending<'a, Result<T, StoreError>> {
        let (takes_ms, fails) = {
            let mut medium = self.disk.medium.lock();
            let (slow_ms, read_fails) = (medium.mood.slow_ms, medium.mood.read_fails);
            (medium.dice.below(slow_ms + 2), medium.dice.below(100) < read_fails)
        };
        Box::pin(async move {
            if takes_ms > 0 {
                tokio::time::sleep(Duration::from_millis(takes_ms)).await;
            }
            if fails {
                self.disk.stage.fault("read error", "");
                return Err(unavailable("the disk did not read"));
            }
            read(&self.sound).await
        })
    }
}

impl Store for Engine {
    fn find<'a>(&'a self, id: &'a DocumentId) -> Pending<'a, Result<Option<Found>, StoreError>> {
        self.read(move |sound| sound.find(id))
    }

    fn create(&self, identity: Identity, first: Option<Arc<Revision>>) -> Pending<'_, Result<Created, StoreError>> {
        if let Some(error) = self.refuses() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let (reply, answer) = oneshot::channel();
        self.put(Write::Create { identity, first, reply });
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(unavailable("it is gone"))) })
    }

    fn append(
        &self,
        document: Incarnation,
        at: Version,
        revisions: Vec<Arc<Revision>>,
    ) -> Pending<'_, Result<(), AppendError>> {
        assert_eq!(revisions[0].version, at.next(), "revisions are appended where their author believes the log ends");
        if let Some(error) = self.refuses() {
            return Box::pin(std::future::ready(Err(error.into())));
        }
        let (reply, answer) = oneshot::channel();
        self.put(Write::Append { document, revisions, reply });
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(unavailable("it is gone").into())) })
    }

    fn head(&self, document: Incarnation) -> Pending<'_, Result<Head, StoreError>> {
        self.read(move |sound| sound.head(document))
    }

    fn tail(&self, document: Incarnation) -> Pending<'_, Result<Tail, StoreError>> {
        self.read(move |sound| {
            Box::pin(async move {
                let head = sound.head(document).await?.version;
                let snapshot = self.snapshot(document, head).await?;
                let from = snapshot.as_ref().map_or(Version::ZERO, |snapshot| snapshot.version);
                Ok(Tail {
                    snapshot,
                    revisions: sound.revisions(document, from, head).await?,
                    kept: sound.kept(document).await?,
                })
            })
        })
    }

    fn revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.read(move |sound| sound.revisions(document, from, to))
    }

    fn some_revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.read(move |sound| sound.some_revisions(document, from, to, room))
    }

    fn sent_by(
        &self,
        client: ClientKey,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.read(move |sound| sound.sent_by(client, document, from, to, room))
    }

    fn stretches(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Stretch>, StoreError>> {
        self.read(move |sound| sound.stretches(document, from, to))
    }

    fn trail(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Option<Trail>, StoreError>> {
        self.read(move |sound| sound.trail(document, from, to))
    }

    fn ledger(&self, document: Incarnation, pages: Vec<u64>) -> Pending<'_, Result<Vec<Arc<LedgerPage>>, StoreError>> {
        self.read(move |sound| sound.ledger(document, pages))
    }

    fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Pending<'_, Result<Option<Snapshot>, StoreError>> {
        self.read(move |_| Box::pin(self.snapshot(document, version)))
    }

    fn keep_snapshot(&self, document: Incarnation, snapshot: Snapshot) -> Pending<'_, Result<(), StoreError>> {
        self.sound.keep_snapshot(document, snapshot)
    }

    fn taken(&self, document: Incarnation, client: ClientKey) -> Pending<'_, Result<Option<Taken>, StoreError>> {
        self.read(move |sound| sound.taken(document, client))
    }

    fn version_at(&self, document: Incarnation, time: Time) -> Pending<'_, Result<Version, StoreError>> {
        self.read(move |sound| sound.version_at(document, time))
    }

    fn remove(&self, document: Incarnation) -> Pending<'_, Result<(), StoreError>> {
        if let Some(error) = self.refuses() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let (reply, answer) = oneshot::channel();
        self.put(Write::Remove { document, reply });
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(unavailable("it is gone"))) })
    }

    fn kept(&self, document: Incarnation) -> Pending<'_, Result<Kept, StoreError>> {
        self.read(move |sound| sound.kept(document))
    }

    // Nobody branches, labels or prunes in this world: its disk has no frames for them, and labels last as long as the server.

    fn adopt(&self, document: Incarnation, past: PrunedPast) -> Pending<'_, Result<(), AppendError>> {
        self.sound.adopt(document, past)
    }

    fn prune(&self, _: Incarnation, _: Version, _: bool) -> Pending<'_, Result<Pruned, StoreError>> {
        Box::pin(std::future::ready(Err(unavailable("this disk prunes nothing"))))
    }

    fn create_branch(&self, _: Identity, _: BranchPoint) -> Pending<'_, Result<Created, StoreError>> {
        Box::pin(std::future::ready(Err(unavailable("this disk keeps no branches"))))
    }

    fn branches(&self, document: Incarnation) -> Pending<'_, Result<Vec<Found>, StoreError>> {
        self.read(move |sound| sound.branches(document))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        most: usize,
    ) -> Pending<'a, Result<Vec<Listed>, StoreError>> {
        self.read(move |sound| sound.list(prefix, after, most))
    }

    fn put_label(&self, document: Incarnation, label: Label) -> Pending<'_, Result<Labelled, StoreError>> {
        self.sound.put_label(document, label)
    }

    fn delete_label(&self, document: Incarnation, name: LabelName) -> Pending<'_, Result<bool, StoreError>> {
        self.sound.delete_label(document, name)
    }

    fn labels(&self, document: Incarnation) -> Pending<'_, Result<Vec<Label>, StoreError>> {
        self.sound.labels(document)
    }

    fn condition(&self) -> Condition {
        match self.failing.load(Ordering::Acquire) || self.closed.load(Ordering::Acquire) {
            true => Condition::Failing("the disk did not sync".into()),
            false => Condition::Good,
        }
    }

    fn close(&self) -> Pending<'_, ()> {
        self.closed.store(true, Ordering::Release);
        Box::pin(async move {
            loop {
                let rung = self.bell.notified();
                if self.queue.lock().is_empty() && !self.busy.load(Ordering::Acquire) {
                    return;
                }
                rung.await;
            }
        })
    }
}
