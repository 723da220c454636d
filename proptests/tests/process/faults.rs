//! Whatever the disk does, nothing acknowledged is lost, nothing is acknowledged that is not durable, and the server says
//! what is wrong, goes on reading, and goes on writing by itself when it can.
//!
//! A real server process over real files, and writers that always have an edit in flight; the faults come from outside:
//! system calls that `strace` answers with an error, a file system that is full, a process that stands still. As root, for
//! only root may mount.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use proptests::live::{http, patient};
use proptests::process::Process;
use proptests::trace::Fault;
use proptests::writers::Writers;
use serde_json::json;
use tempfile::TempDir;

/// How long a fault lasts once the server has noticed it: several attempts of the store to write again.
const LASTS: Duration = Duration::from_millis(1_500);
/// How long acks that were under way when the store noticed may take to arrive.
const UNDER_WAY: Duration = Duration::from_millis(300);
/// A document that nobody has open while the disk fails.
const COLD: &str = "/v1/docs/cold";

/// A server on a disk, a document at rest and writers at work.
struct Scene {
    directory: TempDir,
    server: Process,
    writers: Writers,
}

impl Scene {
    async fn begin() -> Self {
        Self::on(tempfile::tempdir().unwrap()).await
    }

    async fn on(directory: TempDir) -> Self {
        let server = Process::start(env!("CARGO_BIN_EXE_proptests"), &directory.path().join("data")).await;
        let made = json!({"kind": "text", "content": "at rest"}).to_string();
        assert_eq!(http(server.address, "PUT", COLD, &[], &made).await.status, 201);
        let writers = Writers::begin(server.address).await;
        writers.move_on().await;
        Scene { directory, server, writers }
    }

    /// What `/ready` says: nothing while all is well.
    async fn trouble(&self) -> Option<String> {
        let answer = http(self.server.address, "GET", "/ready", &[], "").await;
        match answer.status {
            200 => None,
            503 => {
                assert_eq!(answer.code(), "storage_unavailable");
                Some(answer.json()["error"]["message"].as_str().expect("a sentence").to_owned())
            }
            _ => panic!("{answer:?}"),
        }
    }

    /// Waits until the server says that it is in trouble, and answers what it says.
    async fn in_trouble(&self) -> String {
        patient(async {
            loop {
                match self.trouble().await {
                    Some(said) => return said,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .await
    }

    /// While nothing can be written: nothing is acknowledged, whoever asks hears why, and everything can be read.
    async fn is_read_only_for_a_while(&self) {
        tokio::time::sleep(UNDER_WAY).await;
        let (acknowledged, began) = (self.writers.acknowledged(), Instant::now());
        while began.elapsed() < LASTS {
            let edit = json!({"version": 1, "op": [7, "!"]}).to_string();
            let answer = http(self.server.address, "POST", &format!("{COLD}/edits"), &[], &edit).await;
            assert_eq!((answer.status, answer.code().as_str()), (503, "storage_unavailable"), "{answer:?}");
            for (path, content) in [(format!("{COLD}/content"), Some("at rest")), ("/v1/docs/document-0".into(), None)]
            {
                let answer = http(self.server.address, "GET", &path, &[], "").await;
                assert_eq!(answer.status, 200, "{path}: {answer:?}");
                assert!(content.is_none_or(|content| answer.body == content), "{answer:?}");
            }
            let unknown = http(self.server.address, "GET", "/v1/docs/never-made", &[], "").await;
            assert_eq!(unknown.status, 404, "{unknown:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.writers.acknowledged(), acknowledged, "nothing is acknowledged that cannot be durable");
    }

    /// All is well again, by itself: everyone writes on, and everything acknowledged is there, also after a crash.
    async fn recovers(self) -> TempDir {
        patient(async {
            while self.trouble().await.is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        self.writers.move_on().await;
        self.survives_a_crash().await
    }

    async fn survives_a_crash(self) -> TempDir {
        let Scene { directory, mut server, writers } = self;
        let writers = writers.stop().await;
        server.kill().await;
        server.restart();
        server.ready().await;
        println!("{} edits", writers.check().await);
        let cold = http(server.address, "GET", &format!("{COLD}/content"), &[], "").await;
        assert!(cold.body.ends_with("at rest"), "{cold:?}");
        server.kill().await;
        directory
    }
}

async fn while_calls_fail(calls: &str, error: &str, says: &str) {
    let scene = Scene::begin().await;
    let fault = Fault::begin(&scene.server, calls, &format!("error={error}")).await;
    let said = scene.in_trouble().await;
    assert!(said.contains(says), "the server says why: {said}");
    scene.is_read_only_for_a_while().await;
    fault.end().await;
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_sync_fails() {
    while_calls_fail("fsync,fdatasync", "EIO", "disk I/O error").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_write_fails() {
    while_calls_fail("pwrite64", "EIO", "disk I/O error").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_there_is_no_space() {
    while_calls_fail("pwrite64", "ENOSPC", "full").await;
}

/// Some calls fail and the next succeeds, over and over: the store is opened anew between two commits that both look well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_third_sync_or_some_write_fails() {
    let scene = Scene::begin().await;
    for (calls, what) in [("fsync,fdatasync", "error=EIO:when=3+3"), ("pwrite64", "error=ENOSPC:when=5+17")] {
        let fault = Fault::begin(&scene.server, calls, what).await;
        scene.in_trouble().await;
        tokio::time::sleep(LASTS).await;
        fault.end().await;
    }
    scene.recovers().await;
}

/// A failed read is an error, never an absent or a shorter document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_reads_fail() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::start(env!("CARGO_BIN_EXE_proptests"), directory.path()).await;
    let made = json!({"kind": "text", "content": "at rest"}).to_string();
    assert_eq!(http(server.address, "PUT", COLD, &[], &made).await.status, 201);
    // Started anew, it holds nothing in memory.
    server.kill().await;
    server.restart();
    server.ready().await;
    let fault = Fault::begin(&server, "pread64", "error=EIO").await;
    for path in ["", "/content", "/revisions?since=0"] {
        let answer = http(server.address, "GET", &format!("{COLD}{path}"), &[], "").await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "storage_unavailable"), "{answer:?}");
    }
    // Made if it is not there: but it is, and nobody knows at present.
    let again = http(server.address, "PUT", COLD, &[], &made).await;
    assert_eq!((again.status, again.code().as_str()), (503, "storage_unavailable"), "{again:?}");
    fault.end().await;
    let read = http(server.address, "GET", &format!("{COLD}/content"), &[], "").await;
    assert_eq!((read.status, read.body.as_str()), (200, "at rest"));
    server.kill().await;
}

/// A disk that hangs: nothing is acknowledged meanwhile, and the process still ends when it is asked to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_syncs_hang() {
    let mut scene = Scene::begin().await;
    let fault = Fault::begin(&scene.server, "fsync,fdatasync", "delay_enter=60000000").await;
    tokio::time::sleep(UNDER_WAY).await;
    let acknowledged = scene.writers.acknowledged();
    let read = http(scene.server.address, "GET", &format!("{COLD}/content"), &[], "").await;
    assert_eq!((read.status, read.body.as_str()), (200, "at rest"));
    tokio::time::sleep(UNDER_WAY).await;
    assert_eq!(scene.writers.acknowledged(), acknowledged, "nothing is acknowledged before it is synced");
    let asked = Instant::now();
    scene.server.signal("TERM").await;
    patient(async {
        // The thread inside the hanging call goes only when the call does: that is up to the kernel, and to strace.
        while !scene.server.has_exited() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let took = asked.elapsed();
    assert!(took < Duration::from_millis(2_500), "the process ended {took:?} after it was asked to");
    // A tracer that is killed lets go of everyone, also of a thread that it holds back.
    drop(fault);
    scene.server.gone().await;
    scene.server.restart();
    scene.server.ready().await;
    scene.recovers().await;
}

/// The machine stands still under the process, longer than a scheduler ever lets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_process_stands_still() {
    let scene = Scene::begin().await;
    for _ in 0..3 {
        scene.server.signal("STOP").await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        scene.server.signal("CONT").await;
        scene.writers.move_on().await;
    }
    scene.recovers().await;
}

/// A file system of this size.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(place: &'a Path, size: &str) -> Self {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(place).status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "a disk that is full is a small tmpfs, which only root may mount: run the tests as root"
        );
        Small(place)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // A lazy one also succeeds while a server that outlived a failed test still has files there.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_disk_is_full_until_space_is_made() {
    let outer = tempfile::tempdir().unwrap();
    let _small = Small::mount(outer.path(), "6m");
    let scene = Scene::on(tempfile::tempdir_in(outer.path()).unwrap()).await;
    // Something else fills the disk; tmpfs gives out whole pages, so the last bytes do not matter.
    let ballast = outer.path().join("ballast");
    let mut filling = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut filling, &[1; 4096]).is_ok() {}
    let said = scene.in_trouble().await;
    assert!(said.contains("full"), "the server says why: {said}");
    scene.is_read_only_for_a_while().await;
    drop(filling);
    std::fs::remove_file(ballast).unwrap();
    drop(scene.recovers().await);
}

/// What was synced is cut off behind the server's back: it serves what is there, says what is lost, and takes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_end_of_the_log_is_cut_off_between_two_runs() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut server = Process::start(env!("CARGO_BIN_EXE_proptests"), &data).await;
    let made = json!({"kind": "text", "content": "at rest"}).to_string();
    assert_eq!(http(server.address, "PUT", COLD, &[], &made).await.status, 201);
    let edit = |version: u64| json!({"version": version, "op": [6 + version, "!"]}).to_string();
    for version in 1..20 {
        let edited = http(server.address, "POST", &format!("{COLD}/edits"), &[], &edit(version)).await;
        assert_eq!(edited.status, 200, "{edited:?}");
    }
    server.kill().await;
    let log = data.join("variorum.db-wal");
    // Zeros may follow the log: room for it to grow into.
    let whole = std::fs::read(&log).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(whole as u64 - 100).unwrap();
    server.restart();
    server.ready().await;
    let ready = http(server.address, "GET", "/ready", &[], "").await;
    assert_eq!((ready.status, ready.code().as_str()), (503, "storage_unavailable"), "{ready:?}");
    assert!(ready.body.contains("row"), "it says what is lost: {ready:?}");
    let read = http(server.address, "GET", COLD, &[], "").await;
    assert_eq!(read.status, 200, "what is there is served: {read:?}");
    let head = read.json()["version"].as_u64().unwrap();
    assert!(head < 20, "the cut took something");
    let edited = http(server.address, "POST", &format!("{COLD}/edits"), &[], &edit(head)).await;
    assert_eq!((edited.status, edited.code().as_str()), (503, "storage_unavailable"), "{edited:?}");
    server.kill().await;
}
