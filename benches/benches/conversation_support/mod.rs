//! Load that comes at its own times, whatever the hub does.

pub(crate) mod load;
pub(crate) mod pace;
pub(crate) mod reporter;
pub(crate) mod threads;
