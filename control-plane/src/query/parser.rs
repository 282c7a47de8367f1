//! Reads a whole query: clauses and columns. Expressions are in [`expression`](super::expression).

use ringhub_core::limits::QUERY_CHARS_MAX;

use super::error::{Piece, Problem, QueryError};
use super::lexer::{Lexer, Sign, Token, TokenKind};
use super::path::{Path, Segment};
use super::syntax::{
    Aggregate, Collection, Column, Expression, GroupColumn, Groups, Query, Select,
};

/// Words that no path begins with.
const KEYWORDS: [&str; 16] = [
    "select",
    "top",
    "from",
    "where",
    "group",
    "by",
    "as",
    "and",
    "or",
    "not",
    "in",
    "nin",
    "true",
    "false",
    "null",
    "undefined",
];

/// A parser that stands before a token.
#[derive(Debug)]
pub(super) struct Parser<'q> {
    lexer: Lexer<'q>,
    pub(super) token: Token<'q>,
    /// The token after it.
    next: Token<'q>,
    pub(super) depth: usize,
}

/// A column as it is written.
enum Item {
    Path(Path),
    Aggregate(Aggregate),
}

struct Written {
    item: Item,
    alias: Option<String>,
    at: usize,
}

impl Query {
    /// Reads a query.
    ///
    /// Source: control-plane reference, "Grammar".
    ///
    /// # Errors
    /// [`QueryError`] with the place, what was found and what was expected there.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        let too_long = text.char_indices().nth(QUERY_CHARS_MAX);
        let mut parser = Parser::new(text)?;
        if let Some((at, _)) = too_long {
            return Err(parser.lexer.error(at, Problem::TooLong));
        }
        parser.query()
    }
}

/// Reads what stands behind WHERE of a query over devices, or a whole `FROM … WHERE …`.
///
/// # Errors
/// [`QueryError`] with the place, what was found and what was expected there.
pub(super) fn parse_condition(text: &str) -> Result<(Collection, Option<Expression>), QueryError> {
    let too_long = text.char_indices().nth(QUERY_CHARS_MAX);
    let mut parser = Parser::new(text)?;
    if let Some((at, _)) = too_long {
        return Err(parser.lexer.error(at, Problem::TooLong));
    }
    let names_collection = parser.take_word("from")?;
    let from = if names_collection { parser.collection()? } else { Collection::Devices };
    let has_condition = !names_collection || parser.take_word("where")?;
    let condition = if has_condition { Some(parser.expression()?) } else { None };
    if parser.token.kind == TokenKind::End {
        return Ok((from, condition));
    }
    let expected = if has_condition { "an operator or the end" } else { "WHERE or the end" };
    Err(parser.expected(expected))
}

impl<'q> Parser<'q> {
    fn new(text: &'q str) -> Result<Self, QueryError> {
        let mut lexer = Lexer::new(text);
        let [token, next] = [lexer.next()?, lexer.next()?];
        Ok(Self { lexer, token, next, depth: 0 })
    }

    fn query(&mut self) -> Result<Query, QueryError> {
        self.expect_word("select", "SELECT")?;
        let top = self.top()?;
        let star = self.token.is_sign(Sign::Star);
        let written = if star { Vec::new() } else { self.columns()? };
        if star {
            self.advance()?;
        }
        self.expect_word("from", if star { "FROM" } else { "',' or FROM" })?;
        let from = self.collection()?;
        let condition = if self.take_word("where")? { Some(self.expression()?) } else { None };
        let grouped_at = self.token.at;
        let by = self.group_by()?;
        if self.token.kind != TokenKind::End {
            return Err(self.expected(match (&by, &condition) {
                (Some(_), _) => "',' or the end of the query",
                (None, Some(_)) => "an operator, GROUP BY or the end of the query",
                (None, None) => "WHERE, GROUP BY or the end of the query",
            }));
        }
        if from == Collection::Jobs && (!star || by.is_some()) {
            let at = written.first().map_or(grouped_at, |column| column.at);
            return Err(self.lexer.error(at, Problem::JobColumns));
        }
        let select = match by {
            None if star => Select::Star,
            Some(_) if star => return Err(self.lexer.error(grouped_at, Problem::GroupedStar)),
            by => self.select(written, by)?,
        };
        Ok(Query { top, select, from, condition })
    }

    fn top(&mut self) -> Result<Option<u64>, QueryError> {
        if !self.take_word("top")? {
            return Ok(None);
        }
        let digits = self.token.text;
        let number = match self.token.kind {
            TokenKind::Number(_) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()
            }
            _ => None,
        };
        let number = number.ok_or_else(|| self.expected("a number of rows"))?;
        self.advance()?;
        Ok(Some(number))
    }

    fn columns(&mut self) -> Result<Vec<Written>, QueryError> {
        let mut columns = vec![self.column()?];
        while self.take_sign(Sign::Comma)? {
            columns.push(self.column()?);
        }
        Ok(columns)
    }

    fn column(&mut self) -> Result<Written, QueryError> {
        let at = self.token.at;
        let item = match self.aggregate()? {
            Some(aggregate) => Item::Aggregate(aggregate),
            None => Item::Path(self.path("*, a column or an aggregate")?),
        };
        let alias = if self.take_word("as")? { Some(self.name("an alias")?) } else { None };
        Ok(Written { item, alias, at })
    }

    fn aggregate(&mut self) -> Result<Option<Aggregate>, QueryError> {
        let TokenKind::Word(word) = self.token.kind else { return Ok(None) };
        if !self.next.is_sign(Sign::Open) {
            return Ok(None);
        }
        let make: fn(Path) -> Aggregate = match word.to_ascii_lowercase().as_str() {
            "count" => |_| Aggregate::Count,
            "avg" => Aggregate::Average,
            "sum" => Aggregate::Sum,
            "min" => Aggregate::Minimum,
            "max" => Aggregate::Maximum,
            _ => return Err(self.expected("COUNT, AVG, SUM, MIN, MAX or a column")),
        };
        self.advance()?;
        self.advance()?;
        let aggregate = if word.eq_ignore_ascii_case("count") {
            Aggregate::Count
        } else {
            make(self.path("a path")?)
        };
        self.expect_sign(Sign::Close, "')'")?;
        Ok(Some(aggregate))
    }

    fn collection(&mut self) -> Result<Collection, QueryError> {
        const EXPECTED: &str = "devices, devices.modules or devices.jobs";
        if !self.token.is_word("devices") {
            return Err(self.expected(EXPECTED));
        }
        self.advance()?;
        if !self.take_sign(Sign::Dot)? {
            return Ok(Collection::Devices);
        }
        let collection = match () {
            () if self.token.is_word("modules") => Collection::Modules,
            () if self.token.is_word("jobs") => Collection::Jobs,
            () => return Err(self.expected("modules or jobs")),
        };
        self.advance()?;
        Ok(collection)
    }

    fn group_by(&mut self) -> Result<Option<Vec<Path>>, QueryError> {
        if !self.take_word("group")? {
            return Ok(None);
        }
        self.expect_word("by", "BY")?;
        let mut by = vec![self.path("a path")?];
        while self.take_sign(Sign::Comma)? {
            by.push(self.path("a path")?);
        }
        Ok(Some(by))
    }

    /// Turns columns as they are written into those of documents or of groups.
    fn select(&self, written: Vec<Written>, by: Option<Vec<Path>>) -> Result<Select, QueryError> {
        let is_aggregated = |column: &Written| matches!(column.item, Item::Aggregate(_));
        if by.is_none() && !written.iter().any(is_aggregated) {
            let mut columns: Vec<Column<Path>> = Vec::with_capacity(written.len());
            for Written { item, alias, at } in written {
                let Item::Path(value) = item else { continue };
                let key = alias.unwrap_or_else(|| value.key.clone());
                self.add(&mut columns, key, value, at)?;
            }
            return Ok(Select::Columns(columns));
        }
        let by = by.unwrap_or_default();
        let (mut aggregates, mut columns) = (Vec::new(), Vec::new());
        for Written { item, alias, at } in written {
            let (key, value) = match item {
                Item::Path(path) => {
                    let index = by.iter().position(|key| *key == path);
                    let problem = || Problem::NotGrouped(Piece::of(&path.to_string()));
                    let index = index.ok_or_else(|| self.lexer.error(at, problem()))?;
                    (path.key, GroupColumn::Key(index))
                }
                Item::Aggregate(aggregate) => {
                    aggregates.push(aggregate);
                    // What has no name is called by its number, as in the original's store.
                    let number = aggregates.len();
                    (format!("${number}"), GroupColumn::Aggregate(number - 1))
                }
            };
            self.add(&mut columns, alias.unwrap_or(key), value, at)?;
        }
        Ok(Select::Groups(Groups { by, aggregates, columns }))
    }

    /// Adds a column; the same one twice is one.
    fn add<T: PartialEq>(
        &self,
        columns: &mut Vec<Column<T>>,
        key: String,
        value: T,
        at: usize,
    ) -> Result<(), QueryError> {
        let quoted = serde_json::Value::from(key.as_str()).to_string();
        match columns.iter().find(|column| column.key == quoted) {
            Some(column) if column.value == value => {}
            Some(_) => return Err(self.lexer.error(at, Problem::Column(Piece::of(&key)))),
            None => columns.push(Column { key: quoted, value }),
        }
        Ok(())
    }

    /// A path, from its first segment on.
    pub(super) fn path(&mut self, expected: &'static str) -> Result<Path, QueryError> {
        let first = match self.token.kind {
            TokenKind::Quoted(name) => name,
            TokenKind::Word(word) if !is_keyword(word) => word,
            _ => return Err(self.expected(expected)),
        };
        let mut segments = vec![Segment::Name(first.to_owned())];
        self.advance()?;
        loop {
            if self.take_sign(Sign::Dot)? {
                segments.push(Segment::Name(self.name("a name")?));
            } else if self.take_sign(Sign::OpenBracket)? {
                segments.push(self.bracketed()?);
            } else {
                return Ok(Path::resolve(segments));
            }
        }
    }

    /// What stands in brackets behind a path: a number, or a name as a text.
    fn bracketed(&mut self) -> Result<Segment, QueryError> {
        let segment = match &self.token.kind {
            TokenKind::Text(name) => Some(Segment::Name(name.clone())),
            TokenKind::Number(_) => self.token.text.parse().ok().map(Segment::Index),
            _ => None,
        };
        let segment = segment.ok_or_else(|| self.expected("an index or a name in quotes"))?;
        self.advance()?;
        self.expect_sign(Sign::CloseBracket, "']'")?;
        Ok(segment)
    }

    /// A name where nothing but a name can stand: keywords are names too.
    fn name(&mut self, expected: &'static str) -> Result<String, QueryError> {
        let (TokenKind::Word(name) | TokenKind::Quoted(name)) = self.token.kind else {
            return Err(self.expected(expected));
        };
        self.advance()?;
        Ok(name.to_owned())
    }

    /// Whether the token is a word and an opening parenthesis follows.
    pub(super) fn is_call(&self) -> bool {
        self.next.is_sign(Sign::Open)
    }

    /// Whether the token after this one is the word.
    pub(super) fn next_is_word(&self, word: &str) -> bool {
        self.next.is_word(word)
    }

    pub(super) fn advance(&mut self) -> Result<(), QueryError> {
        let after = self.lexer.next()?;
        self.token = std::mem::replace(&mut self.next, after);
        Ok(())
    }

    pub(super) fn take_word(&mut self, word: &str) -> Result<bool, QueryError> {
        let is_there = self.token.is_word(word);
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    pub(super) fn take_sign(&mut self, sign: Sign) -> Result<bool, QueryError> {
        let is_there = self.token.is_sign(sign);
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    pub(super) fn expect_sign(
        &mut self,
        sign: Sign,
        expected: &'static str,
    ) -> Result<(), QueryError> {
        if self.take_sign(sign)? { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn expect_word(&mut self, word: &str, expected: &'static str) -> Result<(), QueryError> {
        if self.take_word(word)? { Ok(()) } else { Err(self.expected(expected)) }
    }

    pub(super) fn expected(&self, expected: &'static str) -> QueryError {
        self.here(Problem::Expected { expected, found: self.token.piece() })
    }

    pub(super) fn here(&self, problem: Problem) -> QueryError {
        self.lexer.error(self.token.at, problem)
    }
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}
