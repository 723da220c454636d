//! What two people type at the very same place at once comes out in an order that depends on whose the server gets first: what
//! comes later goes to the left. A recording ends in one of the two orders: the text of the agent with the lower number is on
//! the left, so theirs must come later.

use std::collections::VecDeque;

use super::agent::move_past;
use super::board::Entry;
use super::trace::Transaction;
use crate::ot::{Op, TextOp};

/// Has each transaction come after those of higher agents that it ties with, so that every replay ends in the same text. The
/// recording is played here with the highest agent always going first who has seen all it must; `len` is the length of the text
/// that it begins with. What does not fit is found when it is played in earnest.
pub(super) fn settle_ties(agents: &mut [Vec<Transaction>], mut len: u64) {
    let mut log: Vec<Entry> = Vec::new();
    let mut done = vec![0; agents.len()];
    let mut places = vec![0; agents.len()];
    let mut unseen: Vec<VecDeque<Entry>> = agents.iter().map(|_| VecDeque::new()).collect();
    let is_next = |agents: &[Vec<Transaction>], done: &[usize], agent: usize| {
        let next = agents[agent].get(done[agent]);
        next.is_some_and(|next| next.seen.iter().zip(done).all(|(seen, done)| seen <= done))
    };
    while let Some(agent) = (0..agents.len()).rfind(|agent| is_next(agents, &done, *agent)) {
        unseen[agent].extend(log[places[agent]..].iter().filter(|entry| entry.agent != agent).cloned());
        let transaction = &mut agents[agent][done[agent]];
        let mut after = transaction.seen.clone();
        let op = move_past(&mut unseen[agent], transaction, len, |op, entry| {
            if ties(op, &entry.op) {
                after[entry.agent] = after[entry.agent].max(entry.transaction + 1);
            }
        });
        let Ok(op) = op else { return };
        transaction.after = after;
        len = op.target_len();
        log.push(Entry { agent, transaction: done[agent], op });
        places[agent] = log.len();
        done[agent] += 1;
    }
}

/// Whether it matters which of two ops on the same text comes first.
fn ties(a: &TextOp, b: &TextOp) -> bool {
    let (Ok((_, after_a)), Ok((before_a, _))) = (TextOp::transform(a, b), TextOp::transform(b, a)) else {
        return false;
    };
    after_a != before_a
}

#[cfg(test)]
mod tests {
    use crate::replay::Trace;

    fn after(patch: &str) -> Vec<usize> {
        let json = format!(
            r#"{{"kind":"concurrent","startContent":"abc","endContent":"","numAgents":2,"txns":[
            {{"agent":0,"parents":[],"patches":[{patch}]}},
            {{"agent":1,"parents":[],"patches":[[1,0,"x"]]}}, {{"agent":1,"parents":[1],"patches":[[2,0,"y"]]}}]}}"#
        );
        Trace::parse(json.as_bytes()).unwrap().agents[0][0].after.clone()
    }

    #[test]
    fn who_types_at_the_same_place_comes_after_the_higher_agent() {
        assert_eq!(after(r#"[1,0,"z"]"#), [0, 1]);
    }

    #[test]
    fn who_types_elsewhere_or_deletes_waits_for_nobody() {
        assert_eq!(after(r#"[2,0,"z"]"#), [0, 0]);
        assert_eq!(after(r#"[1,1,""]"#), [0, 0]);
    }
}
