//! A server in a process of its own, to be killed without warning and started again.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::live::patient;

/// Where a server runs, whether it runs at present or not: the same directory and port every time.
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    program: PathBuf,
    data: PathBuf,
    /// Where what it says goes; here if nowhere else.
    log: Option<PathBuf>,
    running: Option<Child>,
}

impl Process {
    /// Starts the proofs' own program, which serves as `variorum serve` does.
    pub async fn start(program: &str, data: &Path) -> Self {
        Self::launch(program, data, None).await
    }

    /// The same, with what it says in a file.
    pub async fn start_with_log(program: &str, data: &Path, log: &Path) -> Self {
        Self::launch(program, data, Some(log.to_owned())).await
    }

    async fn launch(program: &str, data: &Path, log: Option<PathBuf>) -> Self {
        // The port is free a moment later: nothing else is given it so soon.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let mut process = Process { address: free, program: program.into(), data: data.to_owned(), log, running: None };
        process.restart();
        process.ready().await;
        process
    }

    /// Starts it again, without waiting.
    pub fn restart(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--listen", &self.address.to_string(), "--data"]).arg(&self.data);
        command.env("VARIORUM_LOG", "warn").stdin(Stdio::null()).kill_on_drop(true);
        if let Some(log) = &self.log {
            let file = std::fs::File::options().create(true).append(true).open(log).expect("a log can be written");
            command.stdout(file.try_clone().expect("a log can be shared")).stderr(file);
        }
        self.running = Some(command.spawn().expect("the server starts"));
    }

    /// Waits until it listens.
    pub async fn ready(&mut self) {
        let listens = async {
            while tokio::net::TcpStream::connect(self.address).await.is_err() {
                let ended = self.running.as_mut().and_then(|child| child.try_wait().ok().flatten());
                assert!(ended.is_none(), "the server ended by itself: {ended:?}");
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        patient(listens).await;
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().and_then(Child::id).expect("it runs")
    }

    /// Sends it a signal, by name.
    pub async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "the server is there to be signalled");
    }

    /// Whether its main thread has ended, although the kernel may still wait for a thread that hangs in a call.
    pub fn has_exited(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // The state follows the name, which is in parentheses.
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
    }

    /// Waits until it is gone, having ended by itself.
    pub async fn gone(&mut self) {
        let mut child = self.running.take().expect("it ran");
        patient(child.wait()).await.expect("it can be waited for");
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub async fn kill(&mut self) {
        let mut child = self.running.take().expect("it runs");
        let ended = child.try_wait().expect("it can be asked for");
        assert!(ended.is_none(), "the server ended by itself: {ended:?}");
        patient(child.kill()).await.expect("it can be killed");
    }
}
