//! Every interleaving of a small world keeps every law, and three famous mistakes break one.
//!
//! `cargo run --release -p proptests -- model` exhausts larger worlds.

use proptests::model::{Broken, Searched, World};

const SMALL: World = World { clients: 2, edits: 1, reconnects: 1, resends: 1, broken: None };

#[test]
fn every_interleaving_of_two_clients_an_edit_each_and_a_lost_connection_keeps_every_law() {
    let Searched { states, depth, broken } = SMALL.exhaust();
    println!("{states} states, {depth} steps deep");
    assert_eq!(broken, Vec::<String>::new());
    assert!(states > 10_000, "{states} states: too few to have tried anything");
}

#[test]
fn a_server_that_forgets_what_it_took_is_found() {
    finds(World { broken: Some(Broken::ForgetsAtRestart), ..SMALL });
}

#[test]
fn a_composed_revision_that_swallows_the_readers_own_edit_is_found() {
    finds(World { broken: Some(Broken::SwallowsOwn), ..SMALL });
}

#[test]
fn a_composition_that_loses_the_order_of_inserts_and_deletes_is_found() {
    // Two edits of one client are composed for the other.
    finds(World { edits: 2, reconnects: 0, resends: 0, broken: Some(Broken::LosesOrder), ..SMALL });
}

fn finds(world: World) {
    let Searched { states, broken, .. } = world.find();
    println!("found after {states} states: {broken:?}");
    assert!(!broken.is_empty(), "{world:?} breaks no law");
}
