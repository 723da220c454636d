//! Requests to a server in memory, for libFuzzer.
#![no_main]

use std::sync::OnceLock;

use proptests::hostile::Door;
use tokio::runtime::Runtime;

static SERVER: OnceLock<(Runtime, Door)> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (runtime, door) = SERVER.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime");
        let door = runtime.block_on(async { Door::open() });
        (runtime, door)
    });
    runtime.block_on(door.request(input));
});
