//! A recorded editing session, in the form of <https://github.com/josephg/editing-traces>: of one person (transactions one
//! after another), or of several at once (each transaction names those it had seen).

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::ties::settle_ties;
use crate::ot::{Content, Op, TextOp};

/// What `e` becomes where every `e` is to lie beyond the Basic Multilingual Plane: U+1D452, mathematical italic small e.
const ASTRAL_E: &str = "\u{1D452}";

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The text it begins with.
    pub start: String,
    /// The text it ends in.
    pub end: String,
    /// Each agent's transactions, in order. There is at least one agent.
    pub(super) agents: Vec<Vec<Transaction>>,
}

/// What one agent did at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    /// Each covers the text that the one before leaves.
    patches: Vec<Patch>,
    /// How many transactions of each agent it had seen; of its own agent, all before it.
    pub(super) seen: Vec<usize>,
    /// How many transactions of each agent must be revisions before it: those it had seen, and what another typed at the very
    /// same place meanwhile and comes first ([`super::ties`]).
    pub(super) after: Vec<usize>,
}

/// `[position, deleted, inserted]`, in scalar values.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Patch(u64, u64, String);

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum BadTrace {
    /// It cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It is not in the form.
    #[error("{path} is no editing trace: {reason}")]
    Malformed {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Trace {
    /// Reads a file, compressed if its name ends in `.gz`.
    pub fn read(path: &Path) -> Result<Self, BadTrace> {
        let name = || path.display().to_string();
        let unreadable = |error| BadTrace::Unreadable { path: name(), error };
        let mut bytes = std::fs::read(path).map_err(unreadable)?;
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut unpacked).map_err(unreadable)?;
            bytes = unpacked;
        }
        Trace::parse(&bytes).map_err(|reason| BadTrace::Malformed { path: name(), reason })
    }

    /// Reads the JSON of a recording.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let start = file.start_content.unwrap_or_default();
        let agents = match file.kind.as_deref() {
            Some("concurrent") => {
                let mut agents = concurrent(file.num_agents.unwrap_or(1), file.txns)?;
                settle_ties(&mut agents, start.chars().count() as u64);
                agents
            }
            None | Some("sequential") => vec![sequential(file.txns)],
            Some(other) => return Err(format!("kind {other:?} is neither \"sequential\" nor \"concurrent\"")),
        };
        Ok(Trace { start, end: file.end_content, agents })
    }

    /// How many transactions there are.
    pub fn transactions(&self) -> usize {
        self.agents.iter().map(Vec::len).sum()
    }

    /// How many agents there are.
    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    /// Every transaction of a recording of one person, as one op each.
    pub fn ops(&self) -> impl Iterator<Item = Result<TextOp, String>> {
        let mut length = self.start.chars().count() as u64;
        let agents = self.agents.len();
        self.agents[0].iter().map(move |transaction| {
            if agents > 1 {
                return Err(format!("{agents} people typed this recording; only that of one is a row of ops"));
            }
            let op = transaction.op(length)?;
            length = op.target_len();
            Ok(op)
        })
    }

    /// The same recording with every `e` an astral character.
    pub fn astral(mut self) -> Self {
        let patches = self.agents.iter_mut().flatten().flat_map(|transaction| &mut transaction.patches);
        for text in patches.map(|patch| &mut patch.2).chain([&mut self.start, &mut self.end]) {
            *text = text.replace('e', ASTRAL_E);
        }
        self
    }

    /// The first transactions of a recording of one person; what they end in is computed.
    pub fn first(mut self, transactions: usize) -> Result<Self, String> {
        let [typed] = &mut self.agents[..] else {
            return Err("only a recording of one person has first transactions".into());
        };
        typed.truncate(transactions);
        let mut content = Content::from(self.start.as_str());
        for transaction in typed {
            transaction.op(content.len())?.apply(&mut content).map_err(|mismatch| mismatch.to_string())?;
        }
        self.end = content.to_string();
        Ok(self)
    }
}

impl Transaction {
    fn new(patches: Vec<Patch>, seen: Vec<usize>) -> Self {
        let after = seen.clone();
        Transaction { patches, seen, after }
    }

    /// All of it as one op on a text of this length.
    pub(super) fn op(&self, len: u64) -> Result<TextOp, String> {
        let mut op = TextOp::identity(len);
        for Patch(at, deleted, inserted) in &self.patches {
            let len = op.target_len();
            let patch = TextOp::splice(len, *at, *deleted, inserted)
                .ok_or_else(|| format!("it deletes {deleted} characters at {at}, the text has {len}"))?;
            op = op.compose_typing(&patch).map_err(|mismatch| mismatch.to_string())?;
        }
        Ok(op)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    kind: Option<String>,
    start_content: Option<String>,
    end_content: String,
    num_agents: Option<usize>,
    txns: Vec<Txn>,
}

#[derive(Deserialize)]
struct Txn {
    #[serde(default)]
    agent: usize,
    /// Places in the list of transactions; with all that those had seen, they are what this one had seen.
    #[serde(default)]
    parents: Vec<usize>,
    patches: Vec<Patch>,
}

fn sequential(txns: Vec<Txn>) -> Vec<Transaction> {
    let seen = (0..).map(|before| vec![before]);
    txns.into_iter().zip(seen).map(|(txn, seen)| Transaction::new(txn.patches, seen)).collect()
}

fn concurrent(count: usize, txns: Vec<Txn>) -> Result<Vec<Vec<Transaction>>, String> {
    let mut agents: Vec<Vec<Transaction>> = vec![Vec::new(); count.max(1)];
    // What is known after each transaction: how many of each agent's.
    let mut known: Vec<Vec<usize>> = Vec::with_capacity(txns.len());
    for (place, txn) in txns.into_iter().enumerate() {
        let mut seen = vec![0; agents.len()];
        for parent in txn.parents {
            let parent = known.get(parent).ok_or_else(|| format!("transaction {place} has a parent after it"))?;
            seen.iter_mut().zip(parent).for_each(|(seen, known)| *seen = (*seen).max(*known));
        }
        let agent = txn.agent;
        let own =
            agents.get_mut(agent).ok_or_else(|| format!("transaction {place} is of an agent beyond `numAgents`"))?;
        if seen[agent] != own.len() {
            return Err(format!("transaction {place} does not follow the one before it of its agent"));
        }
        own.push(Transaction::new(txn.patches, seen.clone()));
        seen[agent] += 1;
        known.push(seen);
    }
    Ok(agents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_one_op_over_all_its_patches() {
        let json = br#"{"startContent":"abc","endContent":"Xac!","txns":[{"patches":[[1,1,""],[0,0,"X"],[3,0,"!"]]}]}"#;
        let trace = Trace::parse(json).unwrap();
        assert_eq!(trace.agents[0][0].op(3).unwrap().to_json(), r#"["X",1,-1,1,"!"]"#);
        assert!(trace.agents[0][0].op(1).is_err());
        assert_eq!(trace.clone().first(1).unwrap(), trace);
    }

    #[test]
    fn what_a_transaction_has_seen_follows_from_its_parents() {
        let json = br#"{"kind":"concurrent","endContent":"","numAgents":2,"txns":[
            {"agent":0,"parents":[],"patches":[]}, {"agent":1,"parents":[0],"patches":[]},
            {"agent":0,"parents":[0],"patches":[]}, {"agent":1,"parents":[1,2],"patches":[]}]}"#;
        let seen = |agent: &Vec<Transaction>| agent.iter().map(|t| t.seen.clone()).collect::<Vec<_>>();
        let agents = Trace::parse(json).unwrap().agents;
        assert_eq!(agents.iter().map(seen).collect::<Vec<_>>(), [[[0, 0], [1, 0]], [[1, 0], [2, 1]]]);
    }

    #[test]
    fn every_e_becomes_astral() {
        let json = br#"{"startContent":"me","endContent":"mee","txns":[{"patches":[[2,0,"e"]]}]}"#;
        let trace = Trace::parse(json).unwrap().astral();
        assert_eq!((trace.start.as_str(), trace.end.as_str()), ("m\u{1D452}", "m\u{1D452}\u{1D452}"));
        assert_eq!(trace.clone().first(1).unwrap(), trace);
    }
}
