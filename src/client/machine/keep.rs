//! What is kept of a document over a restart of the client's program, so that nothing typed is lost and nothing sent twice.

use serde::{Deserialize, Serialize};

use super::{Here, InFlight, Link, Machine};
use crate::client::event::Why;
use crate::document::{Chain, DocumentId, Seq, Version};
use crate::ot::{Content, LengthMismatch, Op, TextOp};
use crate::protocol::Access;

/// A document as its client held it. Keep it before what it holds unsent is sent, beside the client's id: an edit that was
/// sent and not kept would be given its seq a second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    epoch: String,
    version: Version,
    chain: Chain,
    screen: String,
    last_seq: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_flight: Option<(Seq, TextOp)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    buffer: Option<TextOp>,
    /// Whether the text must be taken anew.
    #[serde(default)]
    lost: bool,
}

impl Machine {
    /// What to keep; none before the document was opened once, and after its end.
    pub fn keep(&self) -> Option<Kept> {
        let here = self.place.as_ref().filter(|_| self.ended().is_none())?;
        Some(Kept {
            epoch: here.epoch.clone(),
            version: here.version,
            chain: here.chain,
            screen: self.screen.to_string(),
            last_seq: self.last_seq,
            in_flight: self.in_flight.as_ref().map(|sent| (sent.seq, sent.op.clone())),
            buffer: self.buffer.clone(),
            lost: self.afresh.is_some(),
        })
    }

    /// The document as it was kept, or the lengths in it that disagree.
    pub fn resume(doc: DocumentId, kept: Kept) -> Result<Self, LengthMismatch> {
        let Kept { epoch, version, chain, screen, last_seq, in_flight, buffer, lost } = kept;
        let screen = Content::from(screen.as_str());
        let fits = |op: u64, found: u64| if op == found { Ok(()) } else { Err(LengthMismatch { op, found }) };
        if let (Some((_, sent)), Some(buffer)) = (&in_flight, &buffer) {
            fits(buffer.base_len(), sent.target_len())?;
        }
        if let Some(newest) = buffer.as_ref().or(in_flight.as_ref().map(|(_, op)| op)) {
            fits(newest.target_len(), screen.len())?;
        }
        let mut machine = Machine::new(doc, None);
        machine.link = Link::Closed;
        machine.place = Some(Here { epoch, version, chain });
        // Until the server says otherwise, as it was when there was something to keep.
        machine.access = Access::Write;
        machine.screen = screen;
        machine.last_seq = last_seq;
        machine.in_flight = in_flight.map(|(seq, op)| InFlight { seq, op });
        machine.buffer = buffer;
        machine.afresh = lost.then_some(Why::Gap);
        Ok(machine)
    }
}
