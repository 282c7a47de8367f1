//! CODEC: bytes to values and back, without state.
//!
//! `decode(&[u8]) -> Result<Option<(T, usize)>, DecodeError>`: `None` asks for more bytes, `usize`
//! is what was consumed. Payloads are borrowed; limits are checked before anything is allocated.

pub mod amqp;
pub mod http;
pub mod json_text;
pub mod mqtt;
mod utf8;
pub mod websocket;
