//! What is read from a hub page by page.

use ringhub_core::limits::{DEVICE_LIST_MAX, QUERY_PAGE_ROWS_MAX};
use serde_json::{Value, json};

use super::{RestClient, Result};

/// Item type of rows that are whole twins.
const TWIN: &str = "Twin";

/// Devices of a hub in the order of their ids, or rows of a query; a page at a time, ends with the
/// first error.
#[derive(Debug)]
pub struct Pages<'a> {
    rest: &'a RestClient,
    source: Source,
    /// Items that are still wanted.
    wanted: u64,
    continuation: Option<String>,
    has_more: bool,
    item_type: Option<String>,
}

/// What is asked for each page.
#[derive(Debug)]
enum Source {
    Path(&'static str),
    Query(Value),
}

impl Source {
    /// Most items of a page.
    const fn page_max(&self) -> usize {
        match self {
            Self::Path(_) => DEVICE_LIST_MAX,
            Self::Query(_) => QUERY_PAGE_ROWS_MAX,
        }
    }
}

impl<'a> Pages<'a> {
    /// At most `count` devices.
    #[must_use]
    pub fn of_devices(rest: &'a RestClient, count: u64) -> Self {
        Self::new(rest, Source::Path("/devices"), count)
    }

    /// All devices, each with its modules as the member `modules`.
    #[must_use]
    pub fn of_devices_with_modules(rest: &'a RestClient) -> Self {
        Self::new(rest, Source::Path("/devices?include=modules"), u64::MAX)
    }

    /// At most `count` rows of `query`.
    #[must_use]
    pub fn of_query(rest: &'a RestClient, query: &str, count: u64) -> Self {
        Self::new(rest, Source::Query(json!({ "query": query })), count)
    }

    fn new(rest: &'a RestClient, source: Source, wanted: u64) -> Self {
        Self { rest, source, wanted, continuation: None, has_more: true, item_type: None }
    }

    /// Whether the hub has more than was given so far.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether the items that were given last are whole twins.
    #[must_use]
    pub fn are_twins(&self) -> bool {
        self.item_type.as_deref() == Some(TWIN)
    }

    fn read(&mut self) -> Result<Vec<Value>> {
        let size = usize::try_from(self.wanted).unwrap_or(usize::MAX).min(self.source.page_max());
        let continuation = self.continuation.as_deref();
        let page = match &self.source {
            Source::Path(path) => self.rest.read_page(path, size, continuation)?,
            Source::Query(body) => self.rest.query_page(body, size, continuation)?,
        };
        self.wanted = self.wanted.saturating_sub(page.items.len() as u64);
        self.has_more = page.continuation.is_some();
        self.continuation = page.continuation;
        self.item_type = page.item_type;
        Ok(page.items)
    }
}

impl Iterator for Pages<'_> {
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
