//! Composed blocks with their marks that were read lately, for whoever reads next: most of what a blame or a diff is joined
//! from is the same few large blocks, and reading one costs as much as joining it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::block::Place;
use crate::document::{Consecutive, Trail};
use crate::store::Incarnation;

/// What they may weigh together, in bytes of memory: some 250,000 revisions of writing.
const WEIGHT_MAX: usize = 16 << 20;
/// One that weighs more is read each time: it would displace too many.
const ONE_MAX: usize = WEIGHT_MAX / 8;

/// The blocks, which never change.
#[derive(Default)]
pub struct Remembered(Mutex<Trails>);

#[derive(Default)]
struct Trails {
    by_place: HashMap<(Incarnation, Place), Arc<Trail>>,
    weight: usize,
}

impl Remembered {
    /// A block that was read before.
    pub fn get(&self, document: Incarnation, place: Place) -> Option<Arc<Trail>> {
        self.0.lock().by_place.get(&(document, place)).cloned()
    }

    /// Remembers a block, and forgets the others if they have come to weigh too much.
    pub fn put(&self, document: Incarnation, place: Place, trail: &Arc<Trail>) {
        let weight = trail.weight();
        if weight > ONE_MAX {
            return;
        }
        let mut trails = self.0.lock();
        if trails.weight + weight > WEIGHT_MAX {
            *trails = Trails::default();
        }
        if trails.by_place.insert((document, place), trail.clone()).is_none() {
            trails.weight += weight;
        }
    }
}
