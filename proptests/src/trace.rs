//! Faults between a server process and its disk, put there from outside: `strace` answers its system calls with errors.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::live::patient;
use crate::process::Process;

/// A fault, for as long as it lasts.
pub struct Fault {
    tracer: Child,
    /// Kept, because a tracer that cannot say that a thread was born ends.
    _words: BufReader<ChildStderr>,
}

impl Fault {
    /// From now on these system calls of the process (`fsync,fdatasync`) go as `what` says (`error=EIO`), as in strace's
    /// `inject`.
    pub async fn begin(server: &Process, calls: &str, what: &str) -> Self {
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
            "-e",
            &format!("inject={calls}:{what}"),
        ]);
        strace.args(["-p", &server.pid().to_string()]);
        strace.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut tracer = strace.spawn().expect("strace is there: `make test-setup` installs it");
        // It says so once it holds every thread.
        let mut words = BufReader::new(tracer.stderr.take().expect("its words are piped"));
        let mut line = String::new();
        patient(words.read_line(&mut line)).await.expect("strace can be heard");
        assert!(line.contains("attached"), "strace cannot hold the server: {line}");
        Fault { tracer, _words: words }
    }

    /// The fault ends, and the process goes on as before.
    pub async fn end(mut self) {
        let tracer = self.tracer.id().expect("it runs until it is told to end").to_string();
        let told = Command::new("kill").args(["-INT", &tracer]).status().await;
        assert!(told.is_ok_and(|status| status.success()), "strace still runs");
        patient(self.tracer.wait()).await.expect("strace ends when it is told to");
    }
}
