//! Frames that go to many readers are encoded once: a small cache per document, by the places they lead between.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::document::Version;
use crate::hub::Live;

/// Frames kept per document: what readers a few batches apart are about to be sent.
const FRAMES_MAX: usize = 64;
/// Bytes kept per document: frames larger than this together are encoded again when needed.
const BYTES_MAX: usize = 256 << 10;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// Revisions from one version to another.
    Revisions(u64, u64),
    /// Presence from one stamp to another.
    Presence(u64, u64),
}

/// The frames of one document.
#[derive(Default)]
pub(super) struct FrameCache {
    frames: Mutex<Kept>,
    /// The sum of the content at the version last asked about: everyone asks when it is quiet, and a large text costs
    /// milliseconds.
    sum: Mutex<Option<(Version, u32)>>,
}

#[derive(Default)]
struct Kept {
    /// The newest at the back.
    frames: VecDeque<(Leads, Utf8Bytes)>,
    bytes: usize,
}

impl FrameCache {
    /// The frame that leads there, encoded now if nobody did before.
    pub(super) fn get(&self, leads: Leads, encode: impl FnOnce() -> String) -> Utf8Bytes {
        if let Some(frame) = self.find(leads) {
            return frame;
        }
        // Encoded outside the lock: two readers may both do it, and that costs less than one waiting for the other.
        let frame = Utf8Bytes::from(encode());
        if frame.len() <= BYTES_MAX {
            let mut kept = self.frames.lock();
            kept.bytes += frame.len();
            kept.frames.push_back((leads, frame.clone()));
            while kept.frames.len() > FRAMES_MAX || kept.bytes > BYTES_MAX {
                let oldest = kept.frames.pop_front();
                kept.bytes -= oldest.map_or(0, |(_, frame)| frame.len());
            }
        }
        frame
    }

    /// The sum of the content at a version, computed now if nobody did before.
    pub(super) fn sum(&self, version: Version, compute: impl FnOnce() -> u32) -> u32 {
        if let Some((at, sum)) = *self.sum.lock()
            && at == version
        {
            return sum;
        }
        let sum = compute();
        *self.sum.lock() = Some((version, sum));
        sum
    }

    fn find(&self, leads: Leads) -> Option<Utf8Bytes> {
        let kept = self.frames.lock();
        kept.frames.iter().rev().find(|(there, _)| *there == leads).map(|(_, frame)| frame.clone())
    }
}

/// The caches of all documents that someone has open.
#[derive(Default)]
pub(super) struct Frames {
    /// By the address of the open document.
    caches: Mutex<HashMap<usize, Weak<FrameCache>>>,
}

impl Frames {
    /// The cache of an open document. It is shared by those who hold this very `Live`: presence stamps begin again with each.
    pub(super) fn of(&self, document: &Arc<Live>) -> Arc<FrameCache> {
        // No address is given twice while the cache lives: whoever holds the cache holds the document.
        let document = Arc::as_ptr(document) as usize;
        let mut caches = self.caches.lock();
        if let Some(cache) = caches.get(&document).and_then(Weak::upgrade) {
            return cache;
        }
        // Those whose last reader left are swept when the map would grow.
        if caches.len() == caches.capacity() {
            caches.retain(|_, cache| cache.strong_count() > 0);
        }
        let cache = Arc::new(FrameCache::default());
        caches.insert(document, Arc::downgrade(&cache));
        cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_by_both_its_ends_and_by_what_it_is() {
        let cache = FrameCache::default();
        let all = [Leads::Revisions(3, 4), Leads::Revisions(2, 4), Leads::Revisions(3, 5), Leads::Presence(3, 4)];
        for leads in all {
            assert_eq!(cache.get(leads, || format!("{leads:?}")), format!("{leads:?}"));
        }
        for leads in all {
            assert_eq!(cache.get(leads, || "made anew".into()), format!("{leads:?}"));
        }
    }
}
