//! The rows of a query, page by page.

use ringhub_core::limits::QUERY_PAGE_ROWS_MAX;
use serde_json::{Value, json};

use super::{RestClient, Result};

/// Item type of rows that are whole twins.
const TWIN: &str = "Twin";

/// The rows of a query, a page at a time; ends with the first error.
#[derive(Debug)]
pub struct QueryPages<'a> {
    rest: &'a RestClient,
    body: Value,
    /// Rows that are still wanted.
    wanted: u64,
    continuation: Option<String>,
    has_more: bool,
    item_type: Option<String>,
}

impl<'a> QueryPages<'a> {
    /// At most `count` rows of `query`.
    #[must_use]
    pub fn new(rest: &'a RestClient, query: &str, count: u64) -> Self {
        let body = json!({ "query": query });
        Self { rest, body, wanted: count, continuation: None, has_more: true, item_type: None }
    }

    /// Whether the rows that were given last are whole twins.
    #[must_use]
    pub fn are_twins(&self) -> bool {
        self.item_type.as_deref() == Some(TWIN)
    }

    fn read(&mut self) -> Result<Vec<Value>> {
        let size = usize::try_from(self.wanted).unwrap_or(usize::MAX).min(QUERY_PAGE_ROWS_MAX);
        let page = self.rest.query_page(&self.body, size, self.continuation.as_deref())?;
        self.wanted = self.wanted.saturating_sub(page.items.len() as u64);
        self.has_more = page.continuation.is_some();
        self.continuation = page.continuation;
        self.item_type = page.item_type;
        Ok(page.items)
    }
}

impl Iterator for QueryPages<'_> {
    type Item = Result<Vec<Value>>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.has_more || self.wanted == 0 {
            return None;
        }
        let page = self.read();
        self.has_more &= page.is_ok();
        Some(page)
    }
}
