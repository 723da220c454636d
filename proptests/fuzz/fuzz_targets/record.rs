//! `proptests::hostile::record` for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    proptests::hostile::record(input);
});
