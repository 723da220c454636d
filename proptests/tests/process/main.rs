//! The server as a process of its own: operated, killed, with a failing disk beneath it, and measured.

mod bench;
mod crash;
mod faults;
mod operating;
