//! The Rust client: a pure [`Machine`] per document, and a connection that carries many of them. Used by the command line,
//! the benchmarks and the tests; it knows the protocol and the algebra, and nothing of how a server works.
//!
//! ```no_run
//! # use variorum::client::{Client, Create, Identity, Options};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("ws://127.0.0.1:8080/v1/connect", Identity::random(), Options::default())?;
//! let notes = client.open("notes".parse()?, Some(Create::text("Hello"))).await?;
//! notes.insert(5, ", world")?;
//! notes.flushed().await?;
//! println!("{} at version {}", notes.text(), notes.version());
//! # Ok(())
//! # }
//! ```

mod backoff;
mod connection;
mod core;
mod dial;
mod doc;
mod event;
mod http;
mod machine;
mod past;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use self::core::{Core, Handle};
use crate::document::DocumentId;

pub use crate::protocol::Create;
pub use backoff::Backoff;
pub use dial::{BadAddress, Connector, Tcp};
pub use doc::{Doc, NotFlushed};
pub use event::{Closed, Event, Unsent, Why};
pub use http::{Http, RequestError, encoded};
pub use machine::{EditError, Kept, Machine, Step};
pub use past::{Past, Wanted, When};
pub use versions::Versions;

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Secret random id of this editing client: 22 characters of base64url. Two connected clients never share one.
    pub client: String,
    /// Proof of who the user is, where the server asks for one.
    pub token: Option<String>,
    /// The user's name, where no token says it.
    pub name: Option<String>,
}

impl Identity {
    /// A client with this secret id.
    pub fn new(client: impl Into<String>) -> Self {
        Identity { client: client.into(), token: None, name: None }
    }

    /// A client that never was before.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has randomness");
        Identity::new(URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// How a client behaves.
#[derive(Clone)]
pub struct Options {
    /// How long it waits before it connects again.
    pub backoff: Backoff,
    /// After how many failures in a row it gives up; never, if none.
    pub attempts: Option<u32>,
    /// Silence after which it asks whether the server is still there.
    pub ping_after: Duration,
    /// Silence after which the connection is taken for lost, the handshake included.
    pub gone_after: Duration,
    /// Uniform random numbers; a simulation passes its own.
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            backoff: Backoff::default(),
            attempts: None,
            ping_after: Duration::from_secs(20),
            gone_after: Duration::from_secs(40),
            random: Arc::new(|| {
                let mut bytes = [0; 8];
                getrandom::fill(&mut bytes).expect("the operating system has randomness");
                u64::from_le_bytes(bytes)
            }),
        }
    }
}

/// A connection to a server, made anew whenever it is lost. It ends when this, its clones and all their documents are
/// dropped; what was typed and not yet sent is lost then, so [`Doc::flushed`] comes first.
#[derive(Clone)]
pub struct Client(Arc<Handle>);

impl Client {
    /// Connects over TCP, in the background. Called within a tokio runtime.
    pub fn connect(url: &str, identity: Identity, options: Options) -> Result<Self, BadAddress> {
        Self::connect_through(Tcp, url, identity, options)
    }

    /// Connects over a network of the caller's.
    pub fn connect_through<C: Connector>(
        connector: C,
        url: &str,
        identity: Identity,
        options: Options,
    ) -> Result<Self, BadAddress> {
        let address = dial::Address::parse(url)?;
        let core = Arc::new(Core::default());
        tokio::spawn(connection::keep_connected(core.clone(), connector, address, identity, options));
        Ok(Client(Arc::new(Handle(core))))
    }

    /// Opens a document, made as `create` says if it is not there. Waits until the server has answered, over as many
    /// connections as that takes.
    pub async fn open(&self, id: DocumentId, create: Option<Create>) -> Result<Doc, Closed> {
        Doc::open(self.0.clone(), id, create).await
    }

    /// Goes on with a document as it was kept; what it holds unsent is sent once there is a connection. Waits for nothing:
    /// the text is there.
    pub fn resume(&self, id: DocumentId, kept: Kept) -> Result<Doc, Closed> {
        Doc::resume(self.0.clone(), id, kept)
    }

    /// Cuts the connection and makes it anew: for when the network is known to have changed.
    pub fn reconnect(&self) {
        self.0.0.ask_reconnect();
    }

    /// Says goodbye, and waits until the connection has ended.
    pub async fn close(self) {
        self.0.0.ask_leave();
        self.0.0.left().await;
    }
}
