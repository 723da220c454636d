//! One connected client: a loop over what its socket, its documents and the clock bring.
//!
//! Nothing is queued here for a reader who is slow: a document is only asked for more when the socket has room, and what
//! was missed meanwhile then comes as one. Messages are handled in order; one that must wait (an open, an edit that meets a
//! full authority, a close with edits under way) holds back those after it, while deliveries go on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::debug;

use super::Server;
use super::access::{Caller, Denied};
use super::clients::{Entered, SELF};
use super::deliveries::OpenDocument;
use super::hello::{Ending, Welcomed};
use super::outbox::Outbox;
use super::pace::Pace;
use super::requests::Opening;
use crate::document::{Author, DocumentId, Stretch};
use crate::hub::{Delivery, Token};
use crate::limits::named;
use crate::protocol::{ServerMessage, close};
use crate::shutdown::{Phase, Watch};
use crate::store::{Pending, StoreError};

/// The session of a client.
pub(super) struct Session {
    pub(super) server: Arc<Server>,
    pub(super) outbox: Outbox,
    /// The server's phase, and what makes shutdown wait for this session.
    watch: Watch,
    /// From where it comes.
    pub(super) address: IpAddr,
    pub(super) caller: Caller,
    pub(super) author: Arc<Author>,
    pub(super) entered: Entered,
    pub(super) documents: Documents,
    /// Documents that may have something to deliver.
    pub(super) todo: VecDeque<Token>,
    /// The message under way; no other is read before it is done.
    pub(super) work: Option<Pending<'static, Done>>,
    /// Documents with an old stretch being read from the store.
    pub(super) reading: Vec<(Token, Pending<'static, Result<Stretch, StoreError>>)>,
    /// The document whose edits must be answered before more messages are read: it has too many, or is being closed.
    pub(super) waiting_for: Option<Token>,
    /// Whether all of them must be: one of them is heavy.
    pub(super) waiting_for_all: bool,
    pub(super) pace: Pace,
    last_heard: Instant,
    /// Whether a ping was sent since something was last heard.
    pinged: bool,
    told_draining: bool,
    /// Rings at or before the next deadline; never after it.
    timer: Pin<Box<Sleep>>,
    /// Room for what is taken from a document at a time.
    pub(super) taken: Vec<Delivery>,
}

/// The documents open on a connection.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) by_id: HashMap<DocumentId, Token>,
    /// A token is never used again, so a late bell of a closed document rings for nobody.
    /// In order, so that they are left in order at the end.
    /// Boxed: a node of the tree has room for eleven, and most connections have one.
    pub(super) open: BTreeMap<Token, Box<OpenDocument>>,
    pub(super) next: Token,
}

/// What became of a message that had to wait for something.
pub(super) enum Done {
    /// A document was opened, or not.
    Opened(Box<Opening>),
    /// An edit found room, and its old history.
    Submitted,
}

/// What can happen to a session.
enum Event {
    /// Documents rang.
    Rang,
    /// The socket has taken everything.
    Written,
    /// The socket brought something.
    Read(Option<Result<Message, Error>>),
    /// The socket broke while writing.
    Broken(Error),
    /// The message under way is done.
    Done(Done),
    /// An old stretch was read.
    Old(Token, Result<Stretch, StoreError>),
    Timer,
}

/// Why the loop ends: with a close frame, or with a connection that is already gone.
pub(super) type Ended = Option<Ending>;

impl Session {
    pub(super) fn new(server: Arc<Server>, outbox: Outbox, watch: Watch, address: IpAddr, welcomed: Welcomed) -> Self {
        let Welcomed { caller, author, client, standing } = welcomed;
        let now = Instant::now();
        let expires = expires(&server, &caller, now);
        // The phase may have changed before this session could be rung.
        standing.signal.ring(SELF);
        Session {
            timer: Box::pin(sleep_until(expires.min(now + server.limits.ping_after))),
            entered: Entered::new(server.clone(), client, standing),
            server,
            outbox,
            watch,
            address,
            caller,
            author,
            documents: Documents::default(),
            todo: VecDeque::new(),
            work: None,
            reading: Vec::new(),
            waiting_for: None,
            waiting_for_all: false,
            pace: Pace::new(now),
            last_heard: now,
            pinged: false,
            told_draining: false,
            taken: Vec::new(),
        }
    }

    /// Serves until the connection ends.
    pub(super) async fn run(mut self) {
        let ended = loop {
            let event = std::future::poll_fn(|cx| self.poll_event(cx)).await;
            if let Err(ended) = self.handle(event).and_then(|()| self.deliver()) {
                break ended;
            }
        };
        // The client and its documents are left before the farewell, which may take a while.
        let Session { outbox, documents, entered, .. } = self;
        drop(entered);
        drop(documents);
        if let Some(ending) = ended {
            // Boxed: the farewell's room is not kept by every session that is not at its end.
            Box::pin(outbox.close(ending.close, &ending.reason, ending.error)).await;
        }
    }

    fn poll_event(&mut self, cx: &mut Context) -> Poll<Event> {
        if self.entered.standing.signal.take(&mut self.todo) {
            return Poll::Ready(Event::Rang);
        }
        if let Some(work) = &mut self.work
            && let Poll::Ready(done) = work.as_mut().poll(cx)
        {
            return Poll::Ready(Event::Done(done));
        }
        for (place, (token, reading)) in self.reading.iter_mut().enumerate() {
            if let Poll::Ready(stretch) = reading.as_mut().poll(cx) {
                let token = *token;
                drop(self.reading.swap_remove(place));
                return Poll::Ready(Event::Old(token, stretch));
            }
        }
        match self.outbox.poll_flush(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(Event::Broken(error)),
            Poll::Ready(Ok(())) if !self.todo.is_empty() => return Poll::Ready(Event::Written),
            _ => {}
        }
        let now_or_later = self.pace.resumes();
        if self.may_read()
            && let Poll::Ready(read) = self.outbox.poll_read(cx)
        {
            return Poll::Ready(Event::Read(read));
        }
        // Only a deadline that came nearer moves the timer; one that went further away is found when it rings.
        let nearer = [self.outbox.write_deadline(), now_or_later].into_iter().flatten().min();
        if let Some(deadline) = nearer.filter(|deadline| *deadline < self.timer.deadline()) {
            self.timer.as_mut().reset(deadline);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Timer);
        }
        self.entered.standing.signal.listen(cx);
        // A bell that rang since it was looked at above found nobody listening.
        if self.entered.standing.signal.take(&mut self.todo) { Poll::Ready(Event::Rang) } else { Poll::Pending }
    }

    /// Whether the next message may be read: those before it are done, and the client reads what it is told.
    fn may_read(&self) -> bool {
        self.work.is_none()
            && self.waiting_for.is_none()
            && self.outbox.write_deadline().is_none()
            && self.pace.resumes().is_none()
    }

    fn handle(&mut self, event: Event) -> Result<(), Ended> {
        match event {
            Event::Rang => self.look_at_self(),
            Event::Written => Ok(()),
            Event::Timer => self.on_timer(),
            Event::Broken(error) => {
                debug!(%error, "a connection broke");
                Err(None)
            }
            Event::Done(done) => {
                self.work = None;
                match done {
                    Done::Opened(opening) => self.opened(*opening),
                    Done::Submitted => Ok(()),
                }
            }
            Event::Old(token, stretch) => self.old(token, stretch),
            Event::Read(None) => Err(None),
            Event::Read(Some(Err(error))) => Err(Ending::of(error)),
            Event::Read(Some(Ok(message))) => {
                let now = Instant::now();
                self.last_heard = now;
                self.pinged = false;
                // While there is always something to read, the clock is never asked.
                if self.timer.deadline() <= now {
                    self.on_timer()?;
                }
                // Once superseded, nothing unread is taken, also if it came before the bell was heard.
                self.look_at_self()?;
                match message {
                    Message::Text(text) => self.receive(&text),
                    Message::Binary(_) => Err(Some(Ending::bad_message("messages are text frames"))),
                    Message::Close(_) => Err(Some(Ending::answer())),
                    Message::Ping(payload) | Message::Pong(payload) => {
                        if let Some(limit) = self.pace.count_control(payload.len(), &self.server.limits) {
                            self.server.metrics.limit_hit(limit);
                        }
                        Ok(())
                    }
                    Message::Frame(_) => Ok(()),
                }
            }
        }
    }

    /// Looks at what concerns the session itself: a newer connection of the same client, the server's phase.
    fn look_at_self(&mut self) -> Result<(), Ended> {
        self.todo.retain(|token| *token != SELF);
        if self.entered.standing.is_superseded() {
            let reason = "the same client connected anew";
            return Err(Some(Ending::new(close::SUPERSEDED, None, reason)));
        }
        match self.watch.phase() {
            Phase::Serving => Ok(()),
            Phase::Draining if self.told_draining => Ok(()),
            Phase::Draining => {
                self.told_draining = true;
                self.say(&ServerMessage::Draining { retry_ms: self.server.retry_ms() })
            }
            Phase::Closing => Err(Some(Ending::restart())),
        }
    }

    fn on_timer(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        let expires = expires(&self.server, &self.caller, now);
        if expires <= now {
            return Err(Some(Denied::unauthorized("the token has expired").into()));
        }
        let limits = &self.server.limits;
        if self.outbox.write_deadline().is_some_and(|deadline| deadline <= now) {
            debug!("a reader stopped reading; it is cut off and catches up when it returns");
            self.server.metrics.limit_hit(named::write_time);
            return Err(None);
        }
        self.pace.look(now);
        // A slow link that still takes what it is given is alive: nothing is read from it meanwhile.
        let alive = self.outbox.last_progress().map_or(self.last_heard, |progress| progress.max(self.last_heard));
        let (ping, gone) = (alive + limits.ping_after, alive + limits.idle);
        if gone <= now {
            debug!("a connection fell silent");
            self.server.metrics.limit_hit(named::idle);
            return Err(None);
        }
        let next = if ping <= now { gone } else { ping };
        if ping <= now && !self.pinged {
            self.pinged = true;
            self.outbox.ping().map_err(|_| None)?;
        }
        let nearer = [self.outbox.write_deadline(), self.pace.resumes()].into_iter().flatten().min();
        self.timer.as_mut().reset(nearer.map_or(next, |nearer| nearer.min(next)).min(expires));
        Ok(())
    }

    pub(super) fn say(&mut self, message: &ServerMessage) -> Result<(), Ended> {
        self.outbox.say(message);
        Ok(())
    }
}

/// When nothing is given to a caller any more. The clock may be set meanwhile: it is looked at again now and then.
fn expires(server: &Server, caller: &Caller, now: Instant) -> Instant {
    let remaining = caller.remaining_ms(server.hub.world().now()).map(Duration::from_millis);
    let look_again = now + server.limits.idle;
    remaining.map_or(look_again, |remaining| look_again.min(now + remaining.min(server.limits.idle)))
}
