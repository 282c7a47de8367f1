//! Queries that are refused: where, what was found there, and what was expected.

use ringhub_core::limits::{QUERY_CHARS_MAX, QUERY_DEPTH_MAX};

use super::super::Query;

fn refusal(query: &str) -> String {
    match Query::parse(query) {
        Ok(understood) => panic!("{query} was understood: {understood:?}"),
        Err(error) => error.to_string(),
    }
}

/// Queries, the places of what is wrong in them as line and column, and what is said of it.
const REFUSED: &[(&str, (usize, usize), &str)] = &[
    ("", (1, 1), "expected SELECT, found the end of the query"),
    ("SELEKT *", (1, 1), "expected SELECT, found 'SELEKT'"),
    ("SELECT", (1, 7), "expected *, a column or an aggregate, found the end of the query"),
    ("SELECT TOP x * FROM devices", (1, 12), "expected a number of rows, found 'x'"),
    ("SELECT TOP 1.5 * FROM devices", (1, 12), "expected a number of rows, found '1.5'"),
    ("SELECT * FORM devices", (1, 10), "expected FROM, found 'FORM'"),
    ("SELECT a b FROM devices", (1, 10), "expected ',' or FROM, found 'b'"),
    ("SELECT a AS 5 FROM devices", (1, 13), "expected an alias, found '5'"),
    ("SELECT a.5 FROM devices", (1, 10), "expected a name, found '5'"),
    ("SELECT a[b] FROM devices", (1, 10), "expected an index or a name in quotes, found 'b'"),
    ("SELECT a[-1] FROM devices", (1, 10), "expected an index or a name in quotes, found '-'"),
    ("SELECT a[1 FROM devices", (1, 12), "expected ']', found 'FROM'"),
    (
        "SELECT * FROM twins",
        (1, 15),
        "expected devices, devices.modules or devices.jobs, found 'twins'",
    ),
    ("SELECT * FROM devices.x", (1, 23), "expected modules or jobs, found 'x'"),
    (
        "SELECT * FROM devices ORDER BY a",
        (1, 23),
        "expected WHERE, GROUP BY or the end of the query, found 'ORDER'",
    ),
    (
        "SELECT *\nFROM devices\n\tWHERE a =",
        (3, 11),
        "expected a constant, a path, a function, \
            '(' or '[', found the end of the query",
    ),
    (
        "SELECT * FROM devices WHERE a = 1 b",
        (1, 35),
        "expected an operator, GROUP BY or the end of the query, found 'b'",
    ),
    (
        "SELECT * FROM devices WHERE a = 1 = 2",
        (1, 35),
        "expected an operator, GROUP BY or the end of the query, found '='",
    ),
    (
        "SELECT * FROM devices WHERE (a = 1",
        (1, 35),
        "expected an operator or ')', found the end of the query",
    ),
    ("SELECT * FROM devices WHERE a IN ('x')", (1, 34), "expected '[', found '('"),
    ("SELECT * FROM devices WHERE a IN []", (1, 35), "expected a constant, found ']'"),
    ("SELECT * FROM devices WHERE a IN [1 2]", (1, 37), "expected ',' or ']', found '2'"),
    ("SELECT * FROM devices WHERE a IN [-'x']", (1, 36), "expected a number, found ''x''"),
    (
        "SELECT * FROM devices WHERE STARTS_WITH(a, 'x')",
        (1, 29),
        "there is no function 'STARTS_WITH'",
    ),
    ("SELECT * FROM devices WHERE is_defined()", (1, 29), "IS_DEFINED takes one argument"),
    ("SELECT * FROM devices WHERE é ; 1", (1, 31), "no query has ';' here"),
    ("SELECT * FROM devices WHERE a = 'x", (1, 33), "a text has no end"),
    (
        "SELECT * FROM devices WHERE a = 'é\\x'",
        (1, 35),
        "after a backslash expected ', \", \\ \
            or u with four hexadecimal digits",
    ),
    (
        "SELECT * FROM devices WHERE a = '\\ud800'",
        (1, 34),
        "after a backslash expected ', \", \
            \\ or u with four hexadecimal digits",
    ),
    ("SELECT [[a FROM devices", (1, 8), "a name in [[ ]] has no end"),
    ("SELECT /* a FROM devices", (1, 8), "a comment has no end"),
    ("SELECT * FROM devices WHERE a = 1e999", (1, 33), "expected a number that a double can hold"),
    ("SELECT * FROM devices WHERE a = 12x", (1, 33), "expected a number that a double can hold"),
    (
        "SELECT * FROM devices WHERE a = 0x1ffffffffffffffff",
        (1, 33),
        "expected a number that a double can hold",
    ),
    (
        "SELECT LOWER(a) FROM devices",
        (1, 8),
        "expected COUNT, AVG, SUM, MIN, MAX or a column, found 'LOWER'",
    ),
    ("SELECT COUNT(*) FROM devices", (1, 14), "expected ')', found '*'"),
    (
        "SELECT tags.a.x, tags.b.x FROM devices",
        (1, 18),
        "two columns are called 'x': give one another name with AS",
    ),
    (
        "SELECT tags.a, COUNT() FROM devices",
        (1, 8),
        "column 'tags.a' is neither an aggregate nor in GROUP BY",
    ),
    ("SELECT * FROM devices GROUP BY tags.a", (1, 23), "* cannot be grouped: name the columns"),
    (
        "SELECT jobId FROM devices.jobs",
        (1, 8),
        "devices.jobs knows SELECT * only, without GROUP BY",
    ),
];

#[test]
fn an_error_says_where_and_what_was_expected() {
    for (query, (line, column), text) in REFUSED {
        let expected = format!("The query is invalid at line {line}, column {column}: {text}");
        assert_eq!(refusal(query), expected, "{query}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let condition = |inner: &str| format!("SELECT * FROM devices WHERE {inner}");
    let nested = |levels| condition(&["(".repeat(levels), "1".into(), ")".repeat(levels)].concat());
    assert!(Query::parse(&nested(QUERY_DEPTH_MAX)).is_ok());
    assert!(refusal(&nested(QUERY_DEPTH_MAX + 1)).contains("column 93: a query is nested at most"));
    for hostile in [
        condition(&"(".repeat(8100)),
        condition(&"not ".repeat(2000)),
        condition(&"- ".repeat(4000)),
        condition(&"is_null(".repeat(1000)),
    ] {
        assert!(refusal(&hostile).contains("a query is nested at most 64 levels deep"));
    }
    let long = condition(&"é".repeat(QUERY_CHARS_MAX - 28));
    assert!(Query::parse(&long).is_ok());
    assert!(refusal(&format!("{long}x")).contains("column 8193: a query has at most 8192"));
    for wide in ["1 + ".repeat(2000), "a = 1 or ".repeat(900), "a and ".repeat(1300)] {
        assert!(Query::parse(&condition(&(wide + "1"))).is_ok());
    }
}

#[test]
fn every_prefix_and_every_damaged_byte_is_refused_or_understood() {
    let query = "SELECT TOP 5 tags.[[a b]].c[0] AS x, COUNT() FROM devices.modules /* c */ WHERE \
        NOT a.b['c'] NIN [1, -0x1F, \"t\\u00e9\"] AND STARTSWITH(d, 'x''y') GROUP BY tags.a, b";
    for end in 0..query.len() {
        super::super::fuzz(&query.as_bytes()[..end]);
        for byte in [0, b'\'', b'[', b'(', b'\\', b'9', 0xff] {
            let mut damaged = query.as_bytes().to_vec();
            damaged[end] = byte;
            super::super::fuzz(&damaged);
        }
    }
}
