//! Every workload of `variorum bench` runs to its end on a small scale, with all clients agreeing, and says what it measured.

use std::process::Command;

use serde_json::Value;

/// What `variorum bench all` does, in order.
const WORKLOADS: [&str; 11] = [
    "paced",
    "flat-8",
    "flat-100",
    "fan-out",
    "large",
    "idle",
    "stalled",
    "retired",
    "resume",
    "resume-trace",
    "storm",
];
/// Those in which people type, on the server and on the floor.
const TYPED: usize = 5;

/// A recording of a thousand keystrokes.
fn recording() -> String {
    let typed: Vec<_> = (0..1_000).map(|place| serde_json::json!({"patches": [[place, 0, "k"]]})).collect();
    serde_json::json!({"startContent": "", "endContent": "k".repeat(1_000), "txns": typed}).to_string()
}

#[test]
fn every_workload_runs_and_all_clients_hold_the_servers_text() {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("keys.json");
    std::fs::write(&trace, recording()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_proptests"));
    command.args(["bench", "all", "--small", "--json", "--seconds", "0.4", "--rounds", "1", "--trace"]);
    command.arg(&trace).arg("--place").arg(directory.path());
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8(ran.stdout).unwrap();
    let reports: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named: Vec<_> = reports.iter().map(|report| report["workload"].as_str().unwrap()).collect();
    assert_eq!(named, WORKLOADS);
    for report in &reports {
        assert!(report["documents_compared"].as_u64().unwrap() > 0, "{report}");
        assert!(report["figures"].as_array().unwrap().iter().all(|figure| figure["value"].is_number()), "{report}");
    }
    for report in &reports[..TYPED] {
        for side in ["server", "floor"] {
            let window = &report[side][0];
            assert!(window["edits"].as_u64().unwrap() > 0 && window["deliveries"].as_u64().unwrap() > 0, "{report}");
            assert!(window["cpu_us_per_edit"].as_f64().unwrap() > 0.0, "{report}");
        }
    }
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["keys.json"], "what a benchmark writes it takes away");
}
