//! What an expression is for one document.
//!
//! Conditions know true, false and undefined. What is neither true nor false counts as undefined
//! where a condition is needed, and a document is taken only if the whole is true.
//!
//! Source: control-plane reference, "Grammar".

use super::function;
use super::syntax::{Constant, Expression, Operator};
use super::value::{Value, Values};
use crate::store::StoreError;

impl Expression {
    /// Whether the condition takes the document.
    pub(super) fn takes(&self, document: &dyn Values) -> Result<bool, StoreError> {
        Ok(self.truth(document)? == Some(true))
    }

    pub(super) fn value<'v>(&'v self, document: &'v dyn Values) -> Result<Value<'v>, StoreError> {
        Ok(match self {
            Self::Constant(constant) => constant.into(),
            Self::Array(constants) => Value::Constants(constants),
            Self::Path(path) => document.value(path)?,
            Self::Negate(inner) => {
                let number = inner.value(document)?.as_number();
                number.map_or(Value::Undefined, |number| Value::Number(-number))
            }
            Self::Arithmetic(first, rest) => arithmetic(first, rest, document)?,
            Self::Call(function, arguments) => {
                let values = arguments.iter().map(|argument| argument.value(document));
                function::call(*function, &values.collect::<Result<Vec<_>, _>>()?)
            }
            Self::Not(_) | Self::All(_) | Self::Any(_) | Self::Compare(..) | Self::In(..) => {
                self.truth(document)?.into()
            }
        })
    }

    /// True, false, or `None` for undefined.
    fn truth(&self, document: &dyn Values) -> Result<Option<bool>, StoreError> {
        match self {
            Self::Not(inner) => Ok(inner.truth(document)?.map(|is_true| !is_true)),
            Self::All(parts) => joined(parts, document, false),
            Self::Any(parts) => joined(parts, document, true),
            Self::Compare(left, comparison, right) => {
                let left = left.value(document)?;
                let order = left.order(&right.value(document)?);
                Ok(order.map(|order| comparison.holds(order)))
            }
            Self::In(value, list) => Ok(is_in(&value.value(document)?, list)),
            Self::Constant(_)
            | Self::Array(_)
            | Self::Path(_)
            | Self::Negate(_)
            | Self::Arithmetic(..)
            | Self::Call(..) => Ok(self.value(document)?.as_bool()),
        }
    }
}

/// Conditions joined by AND or OR: one that is `decisive` decides, and otherwise one that is
/// undefined leaves all undefined.
fn joined(
    parts: &[Expression],
    document: &dyn Values,
    decisive: bool,
) -> Result<Option<bool>, StoreError> {
    let mut outcome = Some(!decisive);
    for part in parts {
        match part.truth(document)? {
            Some(truth) if truth == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => outcome = None,
        }
    }
    Ok(outcome)
}

/// What the comparisons with all constants are when OR joins them.
fn is_in(value: &Value<'_>, list: &[Constant]) -> Option<bool> {
    let mut outcome = Some(false);
    for constant in list {
        match value.order(&constant.into()) {
            Some(order) if order.is_eq() => return Some(true),
            Some(_) => {}
            None => outcome = None,
        }
    }
    outcome
}

/// Only numbers have sums and products, and only what a double can hold is one.
fn arithmetic<'v>(
    first: &'v Expression,
    rest: &'v [(Operator, Expression)],
    document: &'v dyn Values,
) -> Result<Value<'v>, StoreError> {
    let Some(mut outcome) = first.value(document)?.as_number() else {
        return Ok(Value::Undefined);
    };
    for (operator, operand) in rest {
        let Some(operand) = operand.value(document)?.as_number() else {
            return Ok(Value::Undefined);
        };
        outcome = match operator {
            Operator::Add => outcome + operand,
            Operator::Subtract => outcome - operand,
            Operator::Multiply => outcome * operand,
            Operator::Divide => outcome / operand,
            Operator::Remainder => outcome % operand,
        };
        if !outcome.is_finite() {
            return Ok(Value::Undefined);
        }
    }
    Ok(Value::Number(outcome))
}
