#![no_main]

use ringhub_core::limits::D2C_MESSAGE_BYTES_MAX;
use ringhub_core::message::HttpMessage;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for message in HttpMessage::batch(input).unwrap_or_default() {
        let message = message.as_d2c();
        let bytes = message.application.map(|(name, value)| name.len() + value.len());
        assert!(message.body.len() + bytes.sum::<usize>() <= D2C_MESSAGE_BYTES_MAX);
    }
});
