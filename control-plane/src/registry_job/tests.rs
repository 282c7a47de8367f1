//! Imports and exports on a control plane, with storage in memory.

mod export;
mod faults;
mod import;
mod requests;
mod restart;
mod world;
