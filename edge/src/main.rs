//! The process: arguments, configuration, topology, start, join.
fn main() {}
