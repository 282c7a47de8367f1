//! Why a query is refused, and where in its text.

use std::fmt::{self, Display};

use ringhub_core::limits::{QUERY_CHARS_MAX, QUERY_DEPTH_MAX};

/// Longest piece of a query that an error repeats, in characters.
const PIECE_CHARS_MAX: usize = 32;

/// A place in the text of a query, both numbers from one, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    /// The place of the byte at `offset`.
    pub(super) fn of(query: &str, offset: usize) -> Self {
        let before = query.get(..offset).unwrap_or(query);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        Self { line, column: 1 + before[line_start..].chars().count() }
    }
}

/// A refused query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The query is invalid at line {}, column {}: {problem}", at.line, at.column)]
pub(crate) struct QueryError {
    pub(crate) at: Position,
    pub(crate) problem: Problem,
}

impl QueryError {
    /// A refusal for the byte at `offset`.
    pub(super) fn at(query: &str, offset: usize, problem: Problem) -> Self {
        Self { at: Position::of(query, offset), problem }
    }

    /// As the job service words it.
    ///
    /// Source: control-plane reference, "Functions in twin / job queries".
    pub(crate) fn of_job(&self) -> String {
        let Position { line, column } = self.at;
        format!(
            "SQL query parse failed due to following errors: \n\tLine {line}:{column} {}",
            self.problem
        )
    }
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Another word or sign must stand here.
    Expected { expected: &'static str, found: Piece },
    /// A character that no query has outside of texts.
    Character(char),
    /// A text, a quoted name or a comment that has no end.
    Unterminated(&'static str),
    /// A backslash before something that it cannot stand before.
    Escape,
    /// A number that no double can hold, or that is none.
    Number,
    /// More characters than a query may have.
    TooLong,
    /// More levels of parentheses and calls than a query may have.
    TooDeep,
    /// No function has this name.
    Function(Piece),
    /// A function with too few or too many arguments.
    Arguments { function: &'static str, expected: &'static str },
    /// Two columns would have one name.
    Column(Piece),
    /// A column of grouped rows that is neither a group nor an aggregate.
    NotGrouped(Piece),
    /// `*` together with GROUP BY.
    GroupedStar,
    /// Jobs have no projections and no groups.
    JobColumns,
}

/// A part of a query as errors show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece(Option<Box<str>>);

impl Piece {
    pub(super) const END: Self = Self(None);

    pub(super) fn of(text: &str) -> Self {
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let mut piece: String = text.chars().take(PIECE_CHARS_MAX).map(visible).collect();
        if text.chars().nth(PIECE_CHARS_MAX).is_some() {
            piece.push('…');
        }
        Self(Some(piece.into()))
    }
}

impl Display for Piece {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(out, "'{text}'"),
            None => out.write_str("the end of the query"),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected { expected, found } => write!(out, "expected {expected}, found {found}"),
            Self::Character(found) => {
                write!(out, "no query has '{}' here", found.escape_debug())
            }
            Self::Unterminated(what) => write!(out, "{what} has no end"),
            Self::Escape => out.write_str(
                r#"after a backslash expected ', ", \ or u with four hexadecimal digits"#,
            ),
            Self::Number => out.write_str("expected a number that a double can hold"),
            Self::TooLong => {
                write!(out, "a query has at most {QUERY_CHARS_MAX} characters")
            }
            Self::TooDeep => {
                write!(out, "a query is nested at most {QUERY_DEPTH_MAX} levels deep")
            }
            Self::Function(name) => write!(out, "there is no function {name}"),
            Self::Arguments { function, expected } => {
                write!(out, "{function} takes {expected}")
            }
            Self::Column(name) => {
                write!(out, "two columns are called {name}: give one another name with AS")
            }
            Self::NotGrouped(name) => {
                write!(out, "column {name} is neither an aggregate nor in GROUP BY")
            }
            Self::GroupedStar => out.write_str("* cannot be grouped: name the columns"),
            Self::JobColumns => out.write_str("devices.jobs knows SELECT * only, without GROUP BY"),
        }
    }
}
