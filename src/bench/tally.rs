//! What the load generator counts while a window is open.

use hdrhistogram::Histogram;

/// Counts of one window.
pub(super) struct Tally {
    /// Edits acknowledged.
    pub(super) edits: u64,
    /// Frames with others' revisions.
    pub(super) deliveries: u64,
    /// From sending an edit to its ack, in microseconds.
    pub(super) to_ack: Histogram<u64>,
    /// From sending an edit to its revision on each other screen, in microseconds.
    pub(super) to_screens: Histogram<u64>,
    /// Bytes of the frames of edits, acks and single revisions: what the floor imitates.
    pub(super) edit_bytes: u64,
    pub(super) edits_sent: u64,
    pub(super) ack_bytes: u64,
    pub(super) revision_bytes: u64,
    pub(super) single_revisions: u64,
}

impl Default for Tally {
    fn default() -> Self {
        // A minute, to three digits: within what was asked of the histogram.
        let histogram = || Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are in order");
        Tally {
            edits: 0,
            deliveries: 0,
            to_ack: histogram(),
            to_screens: histogram(),
            edit_bytes: 0,
            edits_sent: 0,
            ack_bytes: 0,
            revision_bytes: 0,
            single_revisions: 0,
        }
    }
}
