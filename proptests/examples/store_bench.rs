//! Measures the SQLite engine: `cargo run --release -p proptests --example store_bench [DIR]`, figures in
//! `docs/decisions/journal-and-pages.md`. DIR should lie on the disk that is meant, not in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptests::scribe::Scribe;
use variorum::document::{Revision, Version};
use variorum::store::{Created, Incarnation, SNAPSHOT_EVERY, SqliteOptions, SqliteStore, Store};

/// How long each load runs.
const RUN: Duration = Duration::from_secs(8);

fn main() {
    let place = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from).join("variorum-store-bench");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let fresh = || {
        drop(std::fs::remove_dir_all(&place));
        place.clone()
    };
    println!(
        "load                      |   rev/s | rev/commit | CPU us/rev (writer, fold, callers) | \
         us CPU/commit | B written/rev | append p50 / p99 / max ms"
    );
    bare_file(&fresh());
    for (documents, writers, batch) in [(1, 1, 1), (1, 1, 128), (100, 16, 1), (10_000, 128, 1)] {
        runtime.block_on(load(&fresh(), documents, writers, batch));
    }
    runtime.block_on(long_document(&fresh()));
    runtime.block_on(slow_typing(&fresh()));
    drop(std::fs::remove_dir_all(&place));
}

fn open(place: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(place, SqliteOptions::default()).expect("the directory is ours"))
}

async fn create(store: &SqliteStore, scribe: &Scribe) -> Incarnation {
    match store.create(scribe.identity().clone(), None).await {
        Ok(Created::New(number)) => number,
        other => panic!("{other:?}"),
    }
}

/// Nanoseconds on a CPU, of the store's writer, its fold, and everyone else.
fn cpu() -> [u64; 3] {
    let mut sums = [0; 3];
    for task in std::fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let which = match read("comm").trim() {
            "store-writer" => 0,
            "store-fold" => 1,
            _ => 2,
        };
        sums[which] += read("schedstat").split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    sums
}

/// Bytes handed to the disk.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("Linux");
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).expect("every kernel says so");
    line.parse().expect("a number")
}

/// Revisions that any document may be given: a record's document is not part of the revision.
fn keystrokes() -> Vec<Arc<Revision>> {
    Scribe::new("keys", 1).keystrokes(2_000_000 / 8)
}

/// What the disk gives: a file that grows by a keystroke's bytes and is synced each time.
fn bare_file(place: &Path) {
    use std::io::Write;
    std::fs::create_dir_all(place).expect("it is ours");
    let mut file = std::fs::File::create(place.join("bare")).expect("it is ours");
    let (mut latencies, before, start) = (Vec::new(), cpu(), Instant::now());
    while start.elapsed() < RUN / 4 {
        let asked = Instant::now();
        file.write_all(&[7; 100]).and_then(|()| file.sync_data()).expect("there is space");
        latencies.push(asked.elapsed());
    }
    let each = (cpu()[2] - before[2]) as f64 / 1e3 / latencies.len() as f64;
    latencies.sort_unstable();
    let ms = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "bare file, one sync each: {each:.0} us CPU, p50 / p99 / max ms {:.2} / {:.2} / {:.1}",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
}

async fn load(place: &Path, documents: u64, writers: u64, batch: u64) {
    let store = open(place);
    let keys = Arc::new(keystrokes());
    let mut numbers = Vec::new();
    for n in 0..documents {
        numbers.push(create(&store, &Scribe::new(&format!("d{n}"), n)).await);
    }
    store.fold_now().await;
    let (before, cpu_before, written_before, start) = (store.stats(), cpu(), written(), Instant::now());
    let tasks = (0..writers).map(|writer| {
        let (store, keys) = (store.clone(), keys.clone());
        let mine: Vec<_> = numbers.iter().copied().skip(writer as usize).step_by(writers as usize).collect();
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut heads = vec![0u64; mine.len()];
            while start.elapsed() < RUN {
                for (number, head) in mine.iter().zip(&mut heads) {
                    let span = *head as usize..(*head + batch) as usize;
                    let Some(revisions) = keys.get(span) else { return latencies };
                    let asked = Instant::now();
                    store.append(*number, Version(*head), revisions.to_vec()).await.expect("nobody else appends");
                    latencies.push(asked.elapsed());
                    *head += batch;
                }
            }
            latencies
        })
    });
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await.expect("no panic"));
    }
    let elapsed = start.elapsed();
    let (after, cpu_after) = (store.stats(), cpu());
    // What was not folded yet is part of the price.
    store.fold_now().await;
    let (folded, written) = (cpu(), written() - written_before);
    let (revisions, commits) = (after.revisions - before.revisions, after.commits - before.commits);
    latencies.sort_unstable();
    let ms = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let each = |of: [u64; 3], which: usize| (of[which] - cpu_before[which]) as f64 / 1e3 / revisions as f64;
    println!(
        "{documents:>6} docs, {writers:>3} x {batch:<3}      | {:>7.0} | {:>10.1} | {:>5.2} ({:.2}, {:.2}, {:.2}) | \
         {:>5.1} | {:>6.0} | {:.2} / {:.2} / {:.1}, {} slices of {:.0} us",
        revisions as f64 / elapsed.as_secs_f64(),
        revisions as f64 / commits as f64,
        (0..3).map(|which| each(folded, which)).sum::<f64>(),
        each(folded, 0),
        each(folded, 1),
        each(folded, 2),
        (cpu_after[0] - cpu_before[0]) as f64 / 1e3 / commits as f64,
        written as f64 / revisions as f64,
        ms(0.5),
        ms(0.99),
        ms(1.0),
        after.slices - before.slices,
        (after.slice_time - before.slice_time).as_secs_f64() * 1e6 / (after.slices - before.slices).max(1) as f64,
    );
    store.close().await;
}

/// One document of 137,000 keystrokes: its size on the disk, and how fast it opens.
async fn long_document(place: &Path) {
    let store = open(place);
    let mut scribe = Scribe::new("long", 1);
    let document = create(&store, &scribe).await;
    let count = 137_000u64;
    let mut left = count;
    while left > 0 {
        let at = scribe.now().version;
        let batch = left.min(32).min(SNAPSHOT_EVERY - at.0 % SNAPSHOT_EVERY);
        store.append(document, at, scribe.keystrokes(batch)).await.expect("nobody else appends");
        if scribe.now().version.0.is_multiple_of(SNAPSHOT_EVERY) {
            store.keep_snapshot(document, scribe.now().clone()).await.expect("the store is well");
        }
        left -= batch;
    }
    let text = scribe.now().content.bytes_len();
    drop(store);
    let start = Instant::now();
    let store = open(place);
    println!("long document: opened as after a crash in {:?}", start.elapsed());
    store.fold_now().await;
    let start = Instant::now();
    store.close().await;
    println!(
        "long document: closed in {:?}; {:.1} bytes on the disk per revision, text {text} bytes",
        start.elapsed(),
        size(place) / count as f64
    );
    let start = Instant::now();
    let store = open(place);
    println!("long document: store opened in {:?}", start.elapsed());
    for round in 0..2 {
        let start = Instant::now();
        let tail = store.tail(document).await.expect("it is whole");
        println!("long document: tail of {} revisions in {:?} (round {round})", tail.revisions.len(), start.elapsed());
        let start = Instant::now();
        let pieces = store.stretches(document, Version(count - 100_001), Version(count)).await.expect("it is whole");
        println!("long document: 100,001 behind: {} stretches in {:?}", pieces.len(), start.elapsed());
    }
    let start = Instant::now();
    let all = store.revisions(document, Version::ZERO, Version(count)).await.expect("it is whole");
    println!("long document: all {} revisions in {:?}", all.len(), start.elapsed());
    store.close().await;
}

/// A thousand documents, each typed into slowly: a fold after every few keystrokes.
async fn slow_typing(place: &Path) {
    let store = open(place);
    let mut scribes: Vec<_> = (0..1000).map(|n| Scribe::new(&format!("d{n}"), n)).collect();
    let mut numbers = Vec::new();
    for scribe in &scribes {
        numbers.push(create(&store, scribe).await);
    }
    let (start, before) = (Instant::now(), cpu());
    for _ in 0..40 {
        for (number, scribe) in numbers.iter().zip(&mut scribes) {
            let at = scribe.now().version;
            store.append(*number, at, scribe.keystrokes(10)).await.expect("nobody else appends");
        }
        store.fold_now().await;
    }
    let fold = (cpu()[1] - before[1]) as f64 / 1e3 / 400_000.0;
    println!(
        "slow typing: 1,000 documents x 400 keystrokes, folded by tens, in {:?}; fold {fold:.2} us/rev",
        start.elapsed()
    );
    store.close().await;
    println!("slow typing: {:.1} bytes on the disk per revision", size(place) / 400_000.0);
}

fn size(place: &Path) -> f64 {
    let files = std::fs::read_dir(place).expect("it is ours").flatten();
    files.map(|file| file.metadata().map_or(0, |file| file.len())).sum::<u64>() as f64
}
