//! Reads expressions. Chains of one operator become one node, so that what is read and evaluated
//! recursively is nested by parentheses, signs and calls only, and those are bounded.

use ringhub_core::limits::QUERY_DEPTH_MAX;

use super::error::{Piece, Problem, QueryError};
use super::lexer::{Sign, TokenKind};
use super::parser::Parser;
use super::syntax::{Comparison, Constant, Expression, Function, Operator, Signature};

const OPERAND: &str = "a constant, a path, a function, '(' or '['";

impl Parser<'_> {
    /// What ORs join.
    pub(super) fn expression(&mut self) -> Result<Expression, QueryError> {
        let first = self.conjunction()?;
        let mut parts = vec![first];
        while self.take_word("or")? {
            parts.push(self.conjunction()?);
        }
        Ok(joined(parts, Expression::Any))
    }

    fn conjunction(&mut self) -> Result<Expression, QueryError> {
        let mut parts = vec![self.negation()?];
        while self.take_word("and")? {
            parts.push(self.negation()?);
        }
        Ok(joined(parts, Expression::All))
    }

    fn negation(&mut self) -> Result<Expression, QueryError> {
        if !self.token.is_word("not") {
            return self.comparison();
        }
        self.deeper(|parser| {
            parser.advance()?;
            Ok(Expression::Not(Box::new(parser.negation()?)))
        })
    }

    fn comparison(&mut self) -> Result<Expression, QueryError> {
        let left = self.sum()?;
        let is_negated = self.token.is_word("not") && self.next_is_word("in");
        if is_negated {
            self.advance()?;
        }
        let is_negated = is_negated || self.token.is_word("nin");
        if is_negated || self.token.is_word("in") {
            self.advance()?;
            let list = self.array()?;
            let is_in = Expression::In(Box::new(left), list);
            return Ok(if is_negated { Expression::Not(Box::new(is_in)) } else { is_in });
        }
        let TokenKind::Sign(sign) = self.token.kind else { return Ok(left) };
        let comparison = match sign {
            Sign::Equal => Comparison::Equal,
            Sign::NotEqual => Comparison::NotEqual,
            Sign::Less => Comparison::Less,
            Sign::LessOrEqual => Comparison::LessOrEqual,
            Sign::Greater => Comparison::Greater,
            Sign::GreaterOrEqual => Comparison::GreaterOrEqual,
            _ => return Ok(left),
        };
        self.advance()?;
        Ok(Expression::Compare(Box::new(left), comparison, Box::new(self.sum()?)))
    }

    fn sum(&mut self) -> Result<Expression, QueryError> {
        let first = self.term()?;
        self.arithmetic(first, Self::term, |sign| match sign {
            Sign::Plus => Some(Operator::Add),
            Sign::Minus => Some(Operator::Subtract),
            _ => None,
        })
    }

    fn term(&mut self) -> Result<Expression, QueryError> {
        let first = self.factor()?;
        self.arithmetic(first, Self::factor, |sign| match sign {
            Sign::Star => Some(Operator::Multiply),
            Sign::Slash => Some(Operator::Divide),
            Sign::Percent => Some(Operator::Remainder),
            _ => None,
        })
    }

    /// What follows `first` and is joined by operators of one level.
    fn arithmetic(
        &mut self,
        first: Expression,
        operand: fn(&mut Self) -> Result<Expression, QueryError>,
        operator: fn(Sign) -> Option<Operator>,
    ) -> Result<Expression, QueryError> {
        let mut rest = Vec::new();
        while let TokenKind::Sign(sign) = self.token.kind
            && let Some(operator) = operator(sign)
        {
            self.advance()?;
            rest.push((operator, operand(self)?));
        }
        let is_alone = rest.is_empty();
        Ok(if is_alone { first } else { Expression::Arithmetic(Box::new(first), rest) })
    }

    fn factor(&mut self) -> Result<Expression, QueryError> {
        match &self.token.kind {
            TokenKind::Sign(Sign::Open) => self.deeper(|parser| {
                parser.advance()?;
                let inner = parser.expression()?;
                parser.expect_sign(Sign::Close, "an operator or ')'")?;
                Ok(inner)
            }),
            TokenKind::Sign(Sign::Minus) => self.deeper(|parser| {
                parser.advance()?;
                Ok(Expression::Negate(Box::new(parser.factor()?)))
            }),
            TokenKind::Sign(Sign::OpenBracket) => self.array().map(Expression::Array),
            TokenKind::Word(name) if self.is_call() => {
                let name = *name;
                self.deeper(|parser| parser.call(name))
            }
            _ => match self.constant()? {
                Some(constant) => Ok(Expression::Constant(constant)),
                None => self.path(OPERAND).map(Expression::Path),
            },
        }
    }

    fn call(&mut self, name: &str) -> Result<Expression, QueryError> {
        let signature = Function::find(name);
        let signature = signature.ok_or_else(|| self.here(Problem::Function(Piece::of(name))))?;
        let Signature { name, function, arguments: (least, most), counts } = signature;
        let wrong = self.here(Problem::Arguments { function: name, expected: counts });
        self.advance()?;
        self.advance()?;
        let mut arguments = Vec::new();
        while !self.token.is_sign(Sign::Close) {
            if !arguments.is_empty() {
                self.expect_sign(Sign::Comma, "an operator, ',' or ')'")?;
            }
            arguments.push(self.expression()?);
        }
        if !(least..=most).contains(&arguments.len()) {
            return Err(wrong);
        }
        self.advance()?;
        Ok(Expression::Call(function, arguments))
    }

    fn array(&mut self) -> Result<Vec<Constant>, QueryError> {
        self.expect_sign(Sign::OpenBracket, "'['")?;
        let mut constants = vec![self.element()?];
        while self.take_sign(Sign::Comma)? {
            constants.push(self.element()?);
        }
        self.expect_sign(Sign::CloseBracket, "',' or ']'")?;
        Ok(constants)
    }

    /// An element of an array; a number may have a sign.
    fn element(&mut self) -> Result<Constant, QueryError> {
        const EXPECTED: &str = "a constant";
        if self.take_sign(Sign::Minus)? {
            let TokenKind::Number(number) = self.token.kind else {
                return Err(self.expected("a number"));
            };
            self.advance()?;
            return Ok(Constant::Number(-number));
        }
        self.constant()?.ok_or_else(|| self.expected(EXPECTED))
    }

    fn constant(&mut self) -> Result<Option<Constant>, QueryError> {
        let constant = match &mut self.token.kind {
            TokenKind::Number(number) => Constant::Number(*number),
            TokenKind::Text(text) => Constant::Text(std::mem::take(text)),
            TokenKind::Word(_) => match () {
                () if self.token.is_word("true") => Constant::Bool(true),
                () if self.token.is_word("false") => Constant::Bool(false),
                () if self.token.is_word("null") => Constant::Null,
                () if self.token.is_word("undefined") => Constant::Undefined,
                () => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(constant))
    }

    /// Reads something that is nested.
    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        if self.depth == QUERY_DEPTH_MAX {
            return Err(self.here(Problem::TooDeep));
        }
        self.depth += 1;
        let inner = read(self);
        self.depth -= 1;
        inner
    }
}

fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.pop().expect("there is one"),
        _ => join(parts),
    }
}
