#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringhub_core::session::amqp::exercise_device(input));
