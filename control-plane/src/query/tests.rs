//! Tests of the query language: what is understood, what is answered, and that an evaluator of its
//! own answers the same.

mod answers;
mod differential;
mod errors;
mod fleet;
mod generate;
mod indexes;
mod oracle;
mod pages;
mod turns;
