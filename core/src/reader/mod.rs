//! READER: where a back end reads: selector, position and epoch.

mod epoch;
mod position;
mod selector;

pub use epoch::{ClaimRefused, Displaced, Ownership};
pub use position::{BeyondEnd, StartAt};
pub use selector::{Bound, InvalidSelector, Selector};
