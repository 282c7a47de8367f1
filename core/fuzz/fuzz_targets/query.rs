#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringhub_control_plane::query::fuzz(input));
