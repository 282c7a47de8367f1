//! Jobs through the whole control plane.

mod calls;
mod refusals;
mod rows;
mod schedule;
mod steps;
mod twins;
mod world;
