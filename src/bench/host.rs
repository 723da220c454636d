//! A server in a process of its own, looked at from outside: its processor time, its memory, what it writes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// `variorum serve`.
    Server,
    /// `variorum bench floor`: the same frames and syncs with no document behind them.
    Floor,
}

/// A server under load.
pub(super) struct Host {
    pub(super) address: SocketAddr,
    pid: u32,
    program: PathBuf,
    sort: Sort,
    data: PathBuf,
    /// None between its end and its next start.
    child: Option<Child>,
}

/// How long a server may take to answer for the first time.
const START: Duration = Duration::from_secs(20);
/// How often to look whether it does.
const LOOK: Duration = Duration::from_millis(2);

/// Processor time by thread: nanoseconds.
pub(super) type Cpu = BTreeMap<String, u64>;

impl Host {
    /// Starts a server on a directory of its own below `place`.
    pub(super) fn start(program: &Path, sort: Sort, place: &Path) -> Result<Self, String> {
        let data = place.join(match sort {
            Sort::Server => "server",
            Sort::Floor => "floor",
        });
        std::fs::create_dir_all(&data).map_err(|error| format!("cannot make {}: {error}", data.display()))?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| format!("no port is free: {error}"))?;
        let mut host = Host { address, pid: 0, program: program.to_owned(), sort, data, child: None };
        host.start_again()?;
        host.await_ready()?;
        Ok(host)
    }

    /// Starts it where it was, without waiting until it answers.
    pub(super) fn start_again(&mut self) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        match self.sort {
            // All of the load comes from one address.
            Sort::Server => command.args(["serve", "--limit", "documents_made_per_minute=1000000"]),
            Sort::Floor => command.args(["bench", "floor"]),
        };
        command.args(["--listen", &self.address.to_string(), "--data"]).arg(&self.data);
        command.env("VARIORUM_LOG", "warn").stdin(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot start {}: {error}", self.program.display()))?;
        self.pid = child.id();
        self.child = Some(child);
        Ok(())
    }

    fn await_ready(&mut self) -> Result<(), String> {
        for _ in 0..START.as_millis() / LOOK.as_millis() {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                return Err(format!("the server ended by itself: {status}"));
            }
            std::thread::sleep(LOOK);
        }
        Err("the server does not answer".into())
    }

    /// Ends it as `kill -9` does.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Err("the server does not run".into()) };
        child.kill().and_then(|()| child.wait()).map(drop).map_err(|error| format!("cannot kill the server: {error}"))
    }

    /// Processor time of each thread so far, by name and number.
    pub(super) fn cpu(&self) -> Cpu {
        let mut times = Cpu::new();
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid));
        for task in tasks.into_iter().flatten().flatten() {
            let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            // The first number of `schedstat` is the time on a processor.
            let nanoseconds = read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok());
            let name = format!("{}/{}", read("comm").trim(), task.file_name().to_string_lossy());
            times.extend(nanoseconds.map(|ns: u64| (name, ns)));
        }
        times
    }

    /// Resident memory, in bytes.
    pub(super) fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that was ever resident, in bytes.
    pub(super) fn most_resident(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        number_after(&status, name).unwrap_or(0) * 1024
    }

    /// Bytes handed to the disk so far.
    pub(super) fn written(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.pid)).unwrap_or_default();
        number_after(&io, "write_bytes:").unwrap_or(0)
    }

    /// Commits so far, each with one sync, as the server counts them; none if it does not say.
    pub(super) fn syncs(&self) -> Option<u64> {
        number_after(&self.get("/metrics").ok()?, "\nvariorum_commit_seconds_count")
    }

    /// The body of a page.
    pub(super) fn get(&self, path: &str) -> Result<String, String> {
        let fail = |error: std::io::Error| format!("GET {path}: {error}");
        let mut stream = TcpStream::connect(self.address).map_err(fail)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).map_err(fail)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(fail)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("GET {path}: no answer"))?;
        match head.starts_with("HTTP/1.1 200") {
            true => Ok(body.to_owned()),
            false => Err(format!("GET {path}: {}", head.lines().next().unwrap_or_default())),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing of it is needed any more.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What was added to each thread's time, joined by the thread's name.
pub(super) fn cpu_between(before: &Cpu, after: &Cpu) -> BTreeMap<String, u64> {
    let mut joined = BTreeMap::new();
    for (thread, ns) in after {
        let name = thread.rsplit_once('/').map_or(thread.as_str(), |(name, _)| name);
        *joined.entry(name.to_owned()).or_insert(0) += ns - before.get(thread).copied().unwrap_or(0);
    }
    joined
}

/// The machine's load average over a minute.
pub(super) fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = &text[text.find(name)? + name.len()..];
    rest.split_whitespace().next()?.parse().ok()
}
