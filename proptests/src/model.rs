//! A small world, exhausted: the client's real machine and the real document, with every order in which a few edits can be
//! typed, sent, sent again, lost with their connection or with the server, taken, and heard of one by one or composed.
//!
//! What the model leaves out is what the simulated world has: time, bytes, sockets and tasks. A message is heard at some
//! later moment, which is the same as being sent at that moment, because what a reader is told depends on its place in the
//! log alone.

mod server;

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use stateright::{Checker, HasDiscoveries, Model, Property};
use variorum::client::{Machine, Step};
use variorum::document::Version;
use variorum::ot::{Content, Op, TextOp};
use variorum::protocol::{ClientMessage, ServerMessage};

use self::server::Server;

/// What the document begins with.
const BEGINNING: &str = "z";

/// How large the world is.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Clients.
    pub clients: usize,
    /// Edits that each types.
    pub edits: u8,
    /// Connections that each loses.
    pub reconnects: u8,
    /// Edits that each sends once more on the same connection, though nobody asked.
    pub resends: u8,
    /// What is broken on purpose.
    pub broken: Option<Broken>,
}

/// What the model must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A server that started again no longer knows what it took before.
    ForgetsAtRestart,
    /// A composed revision covers the reader's own edit in flight.
    SwallowsOwn,
    /// A composed revision has inserts before deletes.
    LosesOrder,
}

/// Everything at a moment.
#[derive(Clone)]
pub struct State {
    server: Server,
    sides: Vec<Side>,
}

/// A client and its connection.
#[derive(Clone)]
struct Side {
    machine: Machine,
    /// What it has sent and the server has not yet looked at.
    up: VecDeque<ClientMessage>,
    /// Where it follows the log; none while it is not open.
    place: Option<Version>,
    edits: u8,
    reconnects: u8,
    resends: u8,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A client types.
    Type(usize, Typing),
    /// The server looks at a client's next message; if it is to catch up, with one composed revision or one by one.
    Serve(usize, Missed),
    /// A client hears of the log up to a version.
    Hear(usize, Version),
    /// A client sends what is in flight again.
    Resend(usize),
    /// A connection is lost with everything on it, and made anew.
    Lose(usize),
    /// The server is killed and starts again: every connection is lost.
    Restart,
}

/// What a client does to the text on its screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// A letter at the beginning.
    First,
    /// A letter at the end.
    Last,
    /// Deletes the first character.
    Delete,
}

/// How missed revisions come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Each by itself.
    Singly,
    /// As few as may be.
    Composed,
}

impl State {
    fn step(&mut self, client: usize, step: impl FnOnce(&mut Machine) -> Step) {
        let side = &mut self.sides[client];
        let Step { send, .. } = step(&mut side.machine);
        side.up.extend(send);
    }

    fn hear(&mut self, client: usize, message: ServerMessage) {
        self.step(client, |machine| machine.receive(message));
    }

    fn lose(&mut self, client: usize) {
        let side = &mut self.sides[client];
        side.up.clear();
        side.place = None;
        side.reconnects -= 1;
        self.step(client, Machine::disconnected);
        self.step(client, Machine::connected);
    }

    fn type_(&mut self, client: usize, typing: Typing) {
        let side = &mut self.sides[client];
        side.edits -= 1;
        // Each edit has a letter of its own, so that a second copy would show.
        let letter = char::from(b'a' + client as u8 * 8 + side.edits).to_string();
        let len = side.machine.text().len();
        let op = match typing {
            Typing::First => TextOp::splice(len, 0, 0, &letter),
            Typing::Last => TextOp::splice(len, len, 0, &letter),
            Typing::Delete => TextOp::splice(len, 0, 1, ""),
        };
        let op = op.expect("within the text");
        self.step(client, |machine| machine.edit(&op).expect("an open document may be written to"));
    }

    /// Nothing is under way: every message was looked at, and everyone has heard of everything.
    fn is_quiet(&self) -> bool {
        let head = self.server.head();
        self.sides.iter().all(|side| side.up.is_empty() && side.place == Some(head))
    }

    /// What tells this state from another.
    fn key(&self) -> String {
        let mut key = format!("{:?}", self.server.log());
        for side in &self.sides {
            let Side { machine, up, place, edits, reconnects, resends } = side;
            key += &format!("{machine:?}{up:?}{place:?}{edits}{reconnects}{resends}");
        }
        key
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "log {:?}", self.server.log())?;
        for (client, side) in self.sides.iter().enumerate() {
            writeln!(f, "{client} at {:?}, {:?}, says {:?}", side.place, side.machine, side.up)?;
        }
        Ok(())
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State { server: Server::new(BEGINNING, self.broken), sides: Vec::new() };
        for client in 0..self.clients {
            state.sides.push(Side {
                machine: Machine::new(server::id(), None),
                up: VecDeque::new(),
                place: None,
                edits: self.edits,
                reconnects: self.reconnects,
                resends: self.resends,
            });
            // Everyone has the document open: how a document is opened first has nothing to interleave with.
            state.step(client, Machine::connected);
            self.serve(&mut state, client, Missed::Singly);
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (client, side) in state.sides.iter().enumerate() {
            if side.edits > 0 {
                actions.extend([Typing::First, Typing::Last].map(|typing| Action::Type(client, typing)));
                if !side.machine.text().is_empty() {
                    actions.push(Action::Type(client, Typing::Delete));
                }
            }
            match side.up.front() {
                Some(ClientMessage::Open(_)) => {
                    actions.extend([Missed::Singly, Missed::Composed].map(|missed| Action::Serve(client, missed)));
                }
                Some(_) => actions.push(Action::Serve(client, Missed::Singly)),
                None => {}
            }
            if let Some(place) = side.place {
                let stops = state.server.stops(client, place);
                actions.extend(stops.map(|version| Action::Hear(client, version)));
            }
            if side.resends > 0 && side.machine.is_open() && !side.machine.is_synchronized() {
                actions.push(Action::Resend(client));
            }
            if side.reconnects > 0 {
                actions.push(Action::Lose(client));
            }
        }
        if state.sides.iter().all(|side| side.reconnects > 0) {
            actions.push(Action::Restart);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Type(client, typing) => state.type_(client, typing),
            Action::Serve(client, missed) => self.serve(&mut state, client, missed),
            Action::Hear(client, version) => {
                let place = state.sides[client].place?;
                let message = state.server.tell(client, place, version);
                state.sides[client].place = Some(version);
                state.hear(client, message);
            }
            Action::Resend(client) => {
                state.sides[client].resends -= 1;
                state.step(client, Machine::retry);
            }
            Action::Lose(client) => state.lose(client),
            Action::Restart => {
                state.server.restart();
                (0..state.sides.len()).for_each(|client| state.lose(client));
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("each edit is in the log once", |_, state: &State| state.server.each_once()),
            Property::always("who has nothing unsent shows the text of their version", |_, state: &State| {
                let shows = |machine: &Machine| *machine.text() == state.server.text(machine.version());
                state.sides.iter().all(|side| !side.machine.is_synchronized() || shows(&side.machine))
            }),
            Property::always(
                "when nothing is under way, everything typed is in everyone's text",
                |_, state: &State| {
                    let settled = |side: &Side| side.machine.is_synchronized() && side.machine.is_open();
                    !state.is_quiet() || state.sides.iter().all(settled)
                },
            ),
            Property::always("nothing typed is given up", |_, state: &State| {
                state.sides.iter().all(|side| side.machine.handed_back() == 0 && side.machine.ended().is_none())
            }),
            Property::sometimes(
                "everything is typed and taken, by clients that lost their connections",
                |_, state: &State| {
                    let spent = |side: &Side| side.edits == 0 && side.reconnects == 0;
                    state.is_quiet() && state.sides.iter().all(spent)
                },
            ),
        ]
    }
}

impl World {
    /// The server looks at a client's next message.
    fn serve(&self, state: &mut State, client: usize, missed: Missed) {
        match state.sides[client].up.pop_front() {
            Some(ClientMessage::Open(open)) => {
                let opened = state.server.open(client, &open, missed);
                state.sides[client].place = Some(state.server.head());
                state.hear(client, opened);
            }
            Some(ClientMessage::Edit(edit)) => {
                let place = state.sides[client].place;
                if let Some(answer) = state.server.edit(client, edit, place) {
                    state.hear(client, answer);
                }
            }
            _ => {}
        }
    }
}

/// What a search came to.
#[derive(Debug)]
pub struct Searched {
    /// States that differ.
    pub states: usize,
    /// Longest way from the beginning.
    pub depth: usize,
    /// Laws broken, each with the way there.
    pub broken: Vec<String>,
}

impl World {
    /// Tries everything. Panics if nothing ever came to its end, for then nothing was tried.
    pub fn exhaust(self) -> Searched {
        let checker = self.checker().threads(2).spawn_dfs().join();
        assert!(checker.discovery("everything is typed and taken, by clients that lost their connections").is_some());
        searched(&checker)
    }

    /// Looks for the shortest way to break a law.
    pub fn find(self) -> Searched {
        let checker = self.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        searched(&checker)
    }
}

fn searched(checker: &impl Checker<World>) -> Searched {
    let laws = checker.model().properties();
    let broken = checker.discoveries().into_iter().filter_map(|(name, path)| {
        let law = laws.iter().find(|law| law.name == name)?;
        let is_broken = law.expectation == stateright::Expectation::Always;
        is_broken.then(|| format!("{name}: {:?}", path.into_actions()))
    });
    Searched { states: checker.unique_state_count(), depth: checker.max_depth(), broken: broken.collect() }
}

/// The command: worlds too large for every change.
pub fn command() -> Result<String, String> {
    let world = World { clients: 2, edits: 2, reconnects: 1, resends: 0, broken: None };
    for world in
        [world, World { clients: 3, edits: 1, ..world }, World { edits: 1, resends: 1, reconnects: 2, ..world }]
    {
        let began = std::time::Instant::now();
        let Searched { states, depth, broken } = world.exhaust();
        println!("{world:?}: {states} states, {depth} steps deep, in {:.0} s", began.elapsed().as_secs_f64());
        if !broken.is_empty() {
            return Err(broken.join("\n"));
        }
    }
    Ok("every law holds in every state".into())
}

/// The text that a log gives.
fn text_of<'a>(ops: impl Iterator<Item = &'a TextOp>) -> Content {
    let mut text = Content::from(BEGINNING);
    ops.for_each(|op| op.apply(&mut text).expect("each op fits what the one before left"));
    text
}
