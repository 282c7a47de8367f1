//! MQTT packets: whatever decodes encodes to an equal packet.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringhub_core::codec::mqtt::check_arbitrary(bytes));
