#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringhub_core::message::HttpMessage::fuzz_batch(input));
