//! HTTP/1.1 exchanges of one connection: one request at a time, answered in order.
//!
//! ```text
//! ExpectHead ──head──▶ ExpectBody ──complete──▶ AwaitingAnswer ──respond──▶ ExpectHead   (connection stays open)
//!     │                                              │                 └──▶ Closing      (or it does not)
//!     └──WebSocket head──▶ AwaitingUpgrade ──accept──┴─▶ Upgraded   (bytes belong to the WebSocket from here on)
//! ```
//!
//! While an answer is awaited nothing more is taken from the input: a client that pipelines waits,
//! and what it has sent stays with the driver, who stops reading. So a connection holds one head
//! and one body at most. Bodies that the driver names come in pieces instead, as far as it gives
//! credit for them, and answers can leave so.

mod exchange;
mod pieces;
mod request;
mod upgrade;

pub use exchange::{Event, ExchangeError, HttpExchange, HttpLimits};
pub use request::Request;
pub use upgrade::{Protocol, Upgrade, UpgradeError};

#[cfg(test)]
mod tests;
