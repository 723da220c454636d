//! `variorum bench`: load from this process on a server in a process of its own, whose processor time is read from outside,
//! and on a floor that does the same reads, frames, writes and syncs with no document behind them.

mod floor;
mod host;
mod line;
mod player;
mod report;
mod returning;
mod scribe;
mod stage;
mod tally;
mod team;
mod typing;
mod typists;
mod waiting;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use host::{Host, Sort};
use report::Report;
use stage::Rate;
use typing::Place;
use typists::Typists;

/// What is given on the command line.
#[derive(Debug, Clone, Args)]
pub struct Flags {
    #[command(subcommand)]
    workload: Workload,
    /// Seconds that people type in each round, on the server and on the floor each
    #[arg(long, global = true, default_value_t = 2.0)]
    seconds: f64,
    /// How often server and floor take turns; medians are told
    #[arg(long, global = true, default_value_t = 9)]
    rounds: usize,
    /// Measure the server alone
    #[arg(long, global = true)]
    no_floor: bool,
    /// Few connections and edits: to see that everything works, not how fast
    #[arg(long, global = true)]
    small: bool,
    /// One JSON object a workload, a line each
    #[arg(long, global = true)]
    json: bool,
    /// Directory on the disk that is meant; what is put there is taken away again [default: the system's temporary one]
    #[arg(long, global = true, value_name = "DIR")]
    place: Option<PathBuf>,
    /// Another build of the server to be measured, and its floor [default: this program]
    #[arg(long, global = true, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The recording for `resume-trace` [default: seph-blog1.json.gz, if it lies in ../shared/traces]
    #[arg(long, global = true, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Workload {
    /// Everything
    All,
    /// 20 documents, 5 people typing 5 edits a second in each
    Paced,
    /// One document, 8 people typing as fast as they are answered
    Flat8,
    /// 50 documents, 2 people typing as fast as they are answered in each
    Flat100,
    /// One document, one person typing 20 edits a second, 500 reading
    FanOut,
    /// A document of 1 MB, one person typing 20 edits a second at random places, 4 reading
    Large,
    /// 5,000 connections that have a document open and say nothing
    Idle,
    /// 200 readers that stop reading while one person types
    Stalled,
    /// 20,000 documents that were written to and left
    Retired,
    /// Someone who missed 10,000 of 50,000 random edits of 5 kB, and someone who never had the document
    Resume,
    /// Someone who missed transactions 127,000 to 137,000 of a recorded session
    ResumeTrace,
    /// 5,000 clients that come back at once after the server was killed
    Storm,
    /// The floor itself, as a server
    #[command(hide = true)]
    Floor {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        data: PathBuf,
    },
}

/// A disk in memory, on Linux.
const IN_MEMORY: &str = "/dev/shm";

/// What went wrong, in a sentence.
type Failure = String;

/// What every workload is given.
struct Bench {
    program: PathBuf,
    /// A directory for the servers' data, which vanishes with this.
    place: PathBuf,
    /// The same, in memory if that can be had.
    quick_place: PathBuf,
    window: Duration,
    rounds: usize,
    floor: bool,
    small: bool,
    trace: Option<PathBuf>,
}

impl Bench {
    fn server(&self) -> Result<Host, Failure> {
        Host::start(&self.program, Sort::Server, &self.place)
    }

    /// A server on a disk in memory, if there is one: where long histories are made before anything is measured.
    fn quick_server(&self) -> Result<Host, Failure> {
        Host::start(&self.program, Sort::Server, &self.quick_place)
    }

    /// So many, or few where it is only to be seen that it works.
    fn many(&self, many: usize, few: usize) -> usize {
        if self.small { few } else { many }
    }

    /// Time for what was begun to end; where it is only to be seen that all works, a moment.
    fn calm(&self, long: Duration) -> Duration {
        if self.small { Duration::from_millis(20) } else { long }
    }
}

/// Runs the workloads, on a thread of their own so that the load takes one processor at most. What went wrong is one sentence.
pub fn run(flags: Flags) -> Result<(), String> {
    if let Workload::Floor { listen, data } = flags.workload {
        return crate::cli::runtime()?.block_on(floor::serve(listen, data));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
    tokio::task::LocalSet::new().block_on(&runtime, run_all(flags))
}

async fn run_all(flags: Flags) -> Result<(), String> {
    let program = match flags.program {
        Some(program) => program,
        None => std::env::current_exe().map_err(|error| format!("this program does not know where it is: {error}"))?,
    };
    let trace = returning::find_trace(flags.trace);
    let workloads = match flags.workload {
        Workload::All => Workload::all(trace.is_some()),
        one => vec![one],
    };
    for workload in workloads {
        let place = Directory::make(flags.place.as_deref())?;
        let in_memory = Directory::make(Some(Path::new(IN_MEMORY))).ok();
        let bench = Bench {
            program: program.clone(),
            place: place.0.clone(),
            quick_place: in_memory.as_ref().unwrap_or(&place).0.clone(),
            window: Duration::from_secs_f64(flags.seconds),
            rounds: flags.rounds,
            floor: !flags.no_floor,
            small: flags.small,
            trace: trace.clone(),
        };
        let report = workload.run(&bench).await?;
        match flags.json {
            true => println!("{}", serde_json::to_string(&report).expect("figures are JSON")),
            false => report.print(),
        }
    }
    Ok(())
}

impl Workload {
    /// All that are measured; the recorded session only where there is one.
    fn all(traced: bool) -> Vec<Workload> {
        use Workload::{FanOut, Flat8, Flat100, Idle, Large, Paced, Resume, ResumeTrace, Retired, Stalled, Storm};
        let mut all = vec![Paced, Flat8, Flat100, FanOut, Large, Idle, Stalled, Retired, Resume, ResumeTrace, Storm];
        all.retain(|workload| traced || *workload != ResumeTrace);
        all
    }

    async fn run(&self, bench: &Bench) -> Result<Report, Failure> {
        let typists = Typists {
            name: "paced",
            documents: bench.many(20, 3),
            writers: bench.many(5, 2),
            readers: 0,
            rate: Rate::PerSecond(5.0),
            place: Place::Runs,
            length: 5_000,
            bar: 1.5,
            guide: None,
        };
        let flat = Typists { rate: Rate::FlatOut, bar: 2.0, ..typists };
        let typists = match self {
            Workload::Paced => typists,
            Workload::Flat8 => {
                Typists { name: "flat-8", documents: 1, writers: bench.many(8, 3), guide: Some(20.0), ..flat }
            }
            Workload::Flat100 => Typists { name: "flat-100", documents: bench.many(50, 3), writers: 2, ..flat },
            Workload::FanOut | Workload::Large => {
                let one = Typists { documents: 1, writers: 1, rate: Rate::PerSecond(20.0), ..typists };
                match self {
                    Workload::FanOut => Typists { name: "fan-out", readers: bench.many(500, 10), bar: 1.3, ..one },
                    _ => Typists {
                        name: "large",
                        readers: bench.many(4, 2),
                        place: Place::Random,
                        length: bench.many(1_000_000, 100_000),
                        ..one
                    },
                }
            }
            Workload::Idle => return waiting::idle(bench).await,
            Workload::Stalled => return waiting::stalled(bench).await,
            Workload::Retired => return waiting::retired(bench).await,
            Workload::Resume => return returning::resume(bench).await,
            Workload::ResumeTrace => {
                let trace = bench.trace.as_deref().ok_or("there is no recording; name one with --trace")?;
                return returning::resume_trace(bench, trace).await;
            }
            Workload::Storm => return returning::storm(bench).await,
            Workload::All | Workload::Floor { .. } => return Err("not a workload of its own".into()),
        };
        typists.run(bench).await
    }
}

/// A new directory that vanishes with this.
struct Directory(PathBuf);

impl Directory {
    fn make(parent: Option<&Path>) -> Result<Self, String> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| format!("the operating system has no randomness: {error}"))?;
        let path = parent.join(format!("variorum-bench-{:08x}", u32::from_le_bytes(random)));
        std::fs::create_dir(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Directory(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be taken away is in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
