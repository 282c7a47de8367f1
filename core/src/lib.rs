//! Pure logic of ringhub: everything between bytes and decisions, with no runtime, socket, file or
//! clock.
//!
//! Bytes, time and randomness are arguments; results are return values. The modules stand in the
//! order of the data path:
//!
//! ```text
//!  device ─▶ codec ─▶ session ─▶ message ─▶ ring ─▶ log ─▶ reader ─▶ back end
//!            bytes     packets    D2C event  shard    commit  position,
//!            to values to events  as record  to exec. format  epoch, credit
//! ```
//!
//! Drivers in `ringhub-edge` own the sockets and files; they depend on this crate and never the
//! reverse.

pub mod id;
pub mod limits;
pub mod meter;
pub mod number_map;
pub mod position;
pub mod time;

pub mod codec;

pub mod auth;

pub mod session;

pub mod c2d;

pub mod message;

pub mod method;

pub mod quota;

pub mod ring;

pub mod log;

pub mod reader;

pub mod storage;

pub mod twin;
