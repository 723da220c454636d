//! The door: who is let in, what they are given, and how much of it.

#[path = "door/matrix.rs"]
mod matrix;
#[path = "door/people.rs"]
mod people;
#[path = "door/tokens.rs"]
mod tokens;
