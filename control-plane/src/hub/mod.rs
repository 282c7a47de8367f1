//! What changes of a hub while it runs: the keys of its policies, and its consumer groups.

mod apply;
mod change;

pub(crate) use apply::HubApplier;
pub(crate) use change::HubChange;
