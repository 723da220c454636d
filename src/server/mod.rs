//! The door: connections in, one session per socket, requests to the same documents over HTTP.

mod access;
mod app;
mod clients;
mod connection;
mod crowd;
mod deliveries;
mod echo;
mod frames;
mod held;
mod hello;
mod keeping;
mod listener;
mod origins;
mod outbox;
mod pace;
mod problem;
mod proxies;
mod requests;
mod rest;
mod routes;
mod session;
mod tokens;
mod upgrade;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use compact_str::CompactString;
use tracing::{info, warn};

pub use access::{Access, Grant};
pub use echo::echo;
pub use keeping::Policy;
pub use listener::{Listener, bind};
pub use origins::{BadOrigin, Origin, Origins};
pub use proxies::{BadNetwork, Network, Proxies};
pub(crate) use upgrade::READ_BUFFER;

pub use tokens::{Audience, Claims, Entry, SECRET_BYTES, Secret, SecretError, Tokens};

use crate::document::DocumentId;
use crate::hub::{Creation, Hub, Live, OpenError, Settings, World};
use crate::limits::{Limits, named};
use crate::metrics::Metrics;
use crate::protocol::Code;
use crate::shutdown::{self, Phase};
use crate::store::{Condition, Store};
use clients::Clients;
use crowd::Crowd;
use deliveries::{Failure, failure};
use frames::Frames;
use held::Held;

/// What a server is made of. Everything it may not take for itself is passed in.
pub struct Parts {
    /// The log.
    pub store: Arc<dyn Store>,
    /// Clock and randomness.
    pub world: Arc<dyn World>,
    /// Every bound.
    pub limits: Limits,
    /// Where the server counts; the store is given the same.
    pub metrics: Metrics,
    /// Who is let in, and by what.
    pub entry: Entry,
    /// Which web pages may use it.
    pub origins: Origins,
    /// The proxies that are believed when they say whom they speak for.
    pub proxies: Proxies,
    /// What of histories is kept.
    pub keeping: Policy,
}

/// What every connection and request shares.
pub(crate) struct Server {
    hub: Arc<Hub>,
    limits: Limits,
    metrics: Metrics,
    entry: Entry,
    origins: Origins,
    proxies: Proxies,
    crowd: Arc<Crowd>,
    clients: Clients,
    frames: Frames,
    held: Arc<Held>,
}

/// How long sessions go on after they were told that the server is draining: enough for an edit on its way.
const DRAIN_GRACE: Duration = Duration::from_millis(200);
/// How long connections and documents each may take to end, so that the whole shutdown stays within two seconds.
const CLOSE_AT_MOST: Duration = Duration::from_millis(800);
const DRAIN_AT_MOST: Duration = Duration::from_millis(500);
/// How long all of it may take. What is left of this is the store's: a disk that hangs is not waited for.
const STOP_AT_MOST: Duration = Duration::from_millis(1_700);

/// Serves on `listener` until `asked` completes, then goes away gracefully: new work is refused, what was acknowledged is
/// durable, every socket hears `draining` and is closed with 1012. Returns when the store is closed, or its disk has hung for
/// too long.
pub async fn run<L: Listener>(parts: Parts, listener: L, asked: impl Future<Output = ()>) {
    let settings = Settings {
        edit_limits: parts.limits.edit(),
        idle_timeout: parts.limits.document_idle,
        open_documents: parts.limits.open_documents,
        metrics: parts.metrics.clone(),
    };
    let hub = Hub::new(parts.store.clone(), parts.world, settings);
    let server = Arc::new(Server {
        hub: hub.clone(),
        held: Held::new(parts.limits.unfinished_bytes),
        limits: parts.limits,
        metrics: parts.metrics,
        entry: parts.entry,
        origins: parts.origins,
        proxies: parts.proxies,
        crowd: Arc::default(),
        clients: Clients::default(),
        frames: Frames::default(),
    });
    let (mut shutdown, watch) = shutdown::serving();
    tokio::select! {
        () = connection::accept_all(server.clone(), listener, watch) => {}
        () = parts.keeping.keep(&hub) => {}
        () = asked => {}
    }
    info!("shutting down");
    let stopped_by = tokio::time::Instant::now() + STOP_AT_MOST;
    shutdown.enter(Phase::Draining);
    server.clients.ring_all();
    tokio::time::sleep(DRAIN_GRACE).await;
    shutdown.enter(Phase::Closing);
    server.clients.ring_all();
    if !shutdown.all_gone(CLOSE_AT_MOST).await {
        warn!("some connections did not end in time");
    }
    if tokio::time::timeout(DRAIN_AT_MOST, hub.drain()).await.is_err() {
        warn!("some documents did not finish in time; what they did not acknowledge may be lost");
    }
    if tokio::time::timeout_at(stopped_by, parts.store.close()).await.is_err() {
        warn!(
            "the store did not close in time; what it acknowledged is durable, and it tidies up when it starts again"
        );
    }
    info!("all that was acknowledged is durable; goodbye");
}

impl Server {
    /// The document of this name; made if `creation` says how, and this address may make one more. Answers whether it was
    /// made by this call.
    async fn open(
        &self,
        id: &DocumentId,
        creation: Option<&Creation>,
        address: IpAddr,
    ) -> Result<(Arc<Live>, bool), Failure> {
        let opened = match (self.hub.open(id, None).await, creation) {
            (Err(OpenError::Unknown(_)), Some(creation)) => {
                self.may_make(address)?;
                self.hub.open(id, Some(creation)).await
            }
            (opened, _) => opened,
        };
        opened.map_err(|error| failure(id, &error))
    }

    /// Counts a document that this address is about to make, if it may.
    fn may_make(&self, address: IpAddr) -> Result<(), Failure> {
        self.crowd.make(address, self.hub.world().now(), &self.limits).map_err(|retry_ms| {
            self.metrics.limit_hit(named::documents_made_per_minute);
            let most = self.limits.documents_made_per_minute;
            let message = format!("{most} documents were made from this address within a minute; it may go on later");
            (Code::RateLimited, message, Some(retry_ms))
        })
    }

    /// Counts a request of this address, if it may make one.
    fn may_ask(&self, address: IpAddr) -> Result<(), Failure> {
        self.crowd.request(address, self.hub.world().now(), &self.limits).map_err(|retry_ms| {
            self.metrics.limit_hit(named::requests_per_second);
            let most = self.limits.requests_per_second;
            let message = format!("{most} requests were made from this address within a second; it may go on later");
            (Code::RateLimited, message, Some(retry_ms))
        })
    }

    /// Everything counted, with what is looked up only when asked for.
    fn metrics_text(&self) -> Vec<u8> {
        self.metrics.sessions.set(self.clients.count() as i64);
        self.metrics.documents.set(self.hub.open_documents() as i64);
        self.metrics.store_good.set(i64::from(self.hub.store().condition() == Condition::Good));
        self.metrics.text()
    }

    /// A new public id of a connection.
    fn session_id(&self) -> CompactString {
        let mut bytes = [0; 12];
        self.hub.world().random(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes).into()
    }

    /// When a client should come back: spread out, so that they do not all come at once.
    fn retry_ms(&self) -> u64 {
        let mut byte = [0];
        self.hub.world().random(&mut byte);
        500 + u64::from(byte[0]) * 8
    }
}
