//! AMQP 1.0 frames, types, performatives and message sections.

mod error;
mod frame;
pub mod performative;
pub mod primitive;
pub mod section;
mod text;

pub use error::DecodeError;
pub use frame::{EMPTY_FRAME, Frame, FrameKind, ProtocolHeader, UnsupportedHeader, write_frame};
pub use text::{id_text, time_text, value_text};
