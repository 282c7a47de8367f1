//! Messages on their way through the hub.
