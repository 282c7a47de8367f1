#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringhub_core::session::amqp::exercise(data));
