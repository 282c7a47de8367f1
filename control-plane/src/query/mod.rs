//! The query language over twins and rows of jobs.
//!
//! ```text
//!  text ── lexer, parser ──▶ Query ──▶ Plan: keys and columns ── SQL, parameters only ──▶ rows
//!       ──▶ Document: a row and the directory ── condition, columns, groups ──▶ Page, token
//! ```
//!
//! SQL finds rows by their keys, in order, with the columns that are needed; conditions are asked
//! here, of each row. That is exact where SQL would not be (three values, no comparison between
//! types, names with any character), knows what only memory knows (who is connected now), and no
//! word of a query becomes part of a statement.
//!
//! Source: control-plane reference, "Query language".

mod condition;
mod counting;
mod document;
mod error;
mod evaluate;
mod execution;
mod expression;
mod function;
mod groups;
mod index_path;
mod job_row;
mod json_text;
mod lexer;
mod parser;
mod path;
mod plan;
mod syntax;
mod targets;
mod token;
mod value;

pub(crate) use condition::{Condition, Sees};
pub(crate) use counting::Counting;
pub(crate) use execution::{At, Execution, Page, Place, QueryFailure, Sources};
pub(crate) use index_path::{IndexKey, IndexPath, TwinPart};
pub(crate) use plan::Plan;
pub(crate) use syntax::Query;
pub(crate) use targets::{TargetPage, Targets};
pub(crate) use token::Sealer;

/// Parses anything as a query. Must not panic, and must end.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(query) = Query::parse(text)
    {
        let _ = Plan::new(query);
    }
}

#[cfg(test)]
mod tests;
