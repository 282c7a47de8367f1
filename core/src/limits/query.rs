//! Bounds of queries.

use core::time::Duration;

/// Longest query in characters. Longer: refused with the place.
///
/// Source: control-plane reference, "Call" of the query language.
pub const QUERY_CHARS_MAX: usize = 8192;

/// Most levels of parentheses, signs and calls in a query. Deeper: refused with the place.
pub const QUERY_DEPTH_MAX: usize = 64;

/// Most rows of a page of a query; more that are asked for count as this many.
///
/// Source: control-plane reference, "Paging headers".
pub const QUERY_PAGE_ROWS_MAX: usize = 100;

/// Bytes of rows at which a page of a query ends, and so how much it may hold and one row more. The
/// rest comes with the next page.
pub const QUERY_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Time that a page of documents may take of a query thread. Over: it ends as it is, perhaps
/// without a row, and the next page goes on.
pub const QUERY_PAGE_TIME_MAX: Duration = Duration::from_secs(5);

/// Time that a query with aggregates may take of a query thread, because it has to look at all
/// documents before there is a row. Over: refused, and the error says so.
pub const QUERY_GROUP_TIME_MAX: Duration = Duration::from_secs(30);

/// Most groups of a query. More: refused, and the error says so.
pub const QUERY_GROUPS_MAX: usize = 10_000;

/// Most bytes of the values that a query groups by. More: refused, and the error says so.
pub const QUERY_GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Time for which a query thread works on one query before the next one gets its turn.
pub const QUERY_TURN: Duration = Duration::from_millis(10);

/// Queries of the process that run or wait. One more: 503 at once.
pub const QUERIES_MAX: usize = 256;

const _: () = assert!(QUERY_PAGE_BYTES_MAX < 16 * 1024 * 1024);
