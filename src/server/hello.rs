//! The first message of a connection: who the client is, before anything else is listened to.

use std::net::IpAddr;
use std::sync::Arc;

use compact_str::CompactString;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Server;
use super::access::{Caller, Denied};
use super::clients::Standing;
use super::outbox::Outbox;
use super::session::Session;
use crate::document::{Author, ClientKey, User, public_id};
use crate::limits::named;
use crate::protocol::{self, ClientMessage, Code, Hello, PROTOCOL, ServerMessage, UserView, close};
use crate::shutdown::{Phase, Watch};

/// Why a connection ends, as its close frame says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// The close code.
    pub(super) close: u16,
    /// The code of an `error` said before, if one is.
    pub(super) error: Option<Code>,
    pub(super) reason: String,
}

impl Ending {
    pub(super) fn new(close: u16, error: Option<Code>, reason: impl Into<String>) -> Self {
        Ending { close, error, reason: reason.into() }
    }

    /// The server goes away.
    pub(super) fn restart() -> Self {
        Ending::new(close::RESTART, None, "the server is restarting")
    }

    /// The client closes: the library answers with its code, once what is left was written.
    pub(super) fn answer() -> Self {
        Ending::new(close::NORMAL, None, "")
    }

    /// A frame that is no message at all.
    pub(super) fn bad_message(reason: impl Into<String>) -> Self {
        Ending::new(close::BAD_MESSAGE, Some(Code::BadMessage), reason)
    }

    /// What the WebSocket itself ran into; none if the connection is simply gone.
    pub(super) fn of(error: Error) -> Option<Self> {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                let reason = format!("a message of {size} bytes is over the limit of {max_size}");
                Some(Ending::new(close::TOO_LARGE, Some(Code::TooLarge), reason))
            }
            Error::Io(error) if error.kind() == std::io::ErrorKind::QuotaExceeded => {
                Some(Ending::new(close::TOO_MANY, Some(Code::TooManyConnections), error.to_string()))
            }
            Error::Utf8(_) => Some(Ending::new(1007, None, "a text frame is not UTF-8")),
            Error::Protocol(error) => Some(Ending::new(1002, None, error.to_string())),
            _ => None,
        }
    }
}

impl From<Denied> for Ending {
    /// Without a good token nothing can be said on a connection.
    fn from(denied: Denied) -> Self {
        Ending::new(close::UNAUTHORIZED, Some(denied.code), denied.message)
    }
}

/// Waits for `hello` and answers it: a session to run, or none if the connection came to its end here.
pub(super) async fn greet(
    server: Arc<Server>,
    mut outbox: Outbox,
    mut watch: Watch,
    address: IpAddr,
) -> Option<Session> {
    outbox.allow(Some(server.limits.hello_bytes));
    outbox.hold(server.held.share());
    let greeted = tokio::select! {
        hello = tokio::time::timeout(server.limits.hello_time, first_message(&mut outbox)) => match hello {
            Ok(hello) => hello,
            Err(_) => Err(Some(Ending::new(close::HELLO_TIMEOUT, None, "no hello in time"))),
        },
        () = watch.reached(Phase::Draining) => Err(Some(Ending::restart())),
    };
    let greeted = match greeted {
        Err(_) if outbox.is_spent() => {
            let reason = format!("before hello, no more than {} bytes are taken", server.limits.hello_bytes);
            Err(Some(Ending::new(close::TOO_LARGE, Some(Code::TooLarge), reason)))
        }
        greeted => greeted,
    };
    if greeted.is_ok() {
        outbox.allow(None);
    }
    match greeted.and_then(|hello| welcome(&server, &mut outbox, hello).map_err(Some)) {
        Ok(welcomed) => Some(Session::new(server, outbox, watch, address, welcomed)),
        Err(ending) => {
            if let Some(ending) = ending {
                outbox.close(ending.close, &ending.reason, ending.error).await;
            }
            None
        }
    }
}

async fn first_message(outbox: &mut Outbox) -> Result<Hello, Option<Ending>> {
    loop {
        let message = std::future::poll_fn(|cx| {
            // Pongs leave while the hello is waited for.
            let _ = outbox.poll_flush(cx);
            outbox.poll_read(cx)
        });
        return match message.await {
            Some(Ok(Message::Text(text))) => match ClientMessage::parse(&text) {
                Ok(ClientMessage::Hello(hello)) => Ok(hello),
                Ok(_) => Err(Some(Ending::bad_message("the first message is hello"))),
                Err(malformed) => Err(Some(Ending::new(close::BAD_MESSAGE, Some(malformed.code), malformed.message))),
            },
            Some(Ok(Message::Binary(_))) => Err(Some(Ending::bad_message("messages are text frames"))),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Close(_))) => Err(Some(Ending::answer())),
            None => Err(None),
            Some(Err(error)) => Err(Ending::of(error)),
        };
    }
}

/// A client that said hello.
pub(super) struct Welcomed {
    pub(super) caller: Caller,
    pub(super) author: Arc<Author>,
    pub(super) client: ClientKey,
    pub(super) standing: Arc<Standing>,
}

fn welcome(server: &Server, outbox: &mut Outbox, hello: Hello) -> Result<Welcomed, Ending> {
    let name = hello.name.unwrap_or_default();
    let length = name.chars().count();
    if length > server.limits.name_length {
        let most = server.limits.name_length;
        server.metrics.limit_hit(named::name_length);
        return Err(Ending::bad_message(format!("field `name` has {length} characters, at most {most} are taken")));
    }
    let now = server.hub.world().now();
    let caller = server.entry.admit(hello.token.as_deref(), now, &server.limits)?;
    let user = caller.user.clone().unwrap_or_else(|| User {
        id: public_id("user", hello.person.as_deref().unwrap_or(&hello.client)),
        name: CompactString::from(name),
    });
    let client = ClientKey::of_client(&hello.client);
    let standing = Arc::new(Standing::default());
    if server.clients.enter(client, &user.id, &standing).is_err() {
        let reason = "another user is connected with this client id";
        return Err(Ending::new(close::FORBIDDEN, Some(Code::Forbidden), reason));
    }
    let session = server.session_id();
    let welcome = ServerMessage::Welcome {
        protocol: PROTOCOL,
        session: session.clone(),
        user: UserView::of(&user),
        server: concat!("variorum ", env!("CARGO_PKG_VERSION")).to_owned(),
        limits: limits(server),
    };
    outbox.say(&welcome);
    Ok(Welcomed { caller, author: Arc::new(Author { session: Some(session), user }), client, standing })
}

fn limits(server: &Server) -> protocol::Limits {
    let limits = &server.limits;
    protocol::Limits {
        frame_bytes: limits.frame_bytes as u64,
        op_bytes: limits.op_bytes as u64,
        op_parts: limits.op_parts as u64,
        document_length: limits.document_length,
        documents: limits.documents_per_connection as u64,
        presence_bytes: limits.presence_bytes as u64,
        name_length: limits.name_length as u64,
        edits_per_second: u64::from(limits.edits_per_second),
        idle_ms: limits.idle.as_millis() as u64,
    }
}
