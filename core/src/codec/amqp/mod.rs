//! AMQP 1.0 frames, types, performatives and message sections.

pub mod primitive;
