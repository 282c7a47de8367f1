//! A hub process, its registry, and the parts that can be measured alone.

pub(crate) mod account;
pub(crate) mod hub;
pub(crate) mod loadgen;
pub(crate) mod rest;
