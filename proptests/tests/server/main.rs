//! The server in this process: what it says to sockets and requests, whom it lets in, and what it promises when its store
//! fails or its clients do.

mod door;
mod exactly_once;
mod hub;
mod openapi;
mod opening;
mod people;
mod requests;
mod socket;
mod stopping;
mod storm;
mod unknown_outcome;
mod versions;
mod versions_written;
mod websocket;
