//! READER: where a back end reads: selector, epoch and credit.

mod selector;

pub use selector::{Bound, InvalidSelector, Selector};
