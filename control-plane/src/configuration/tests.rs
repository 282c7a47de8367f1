//! Configurations over REST, through the whole control plane.

mod edge;
mod evaluation;
mod rest;
mod world;
