//! What functions answer. Those that ask for a type always have an answer; the others have none
//! for an argument of another type than theirs.
//!
//! Source: control-plane reference, "Functions in twin / job queries", and the functions of routing
//! conditions, which mean the same here.

use super::json_text;
use super::syntax::Function;
use super::value::Value;

pub(super) fn call<'v>(function: Function, arguments: &[Value<'v>]) -> Value<'v> {
    let [first, others @ ..] = arguments else { return Value::Undefined };
    let is = |is_so| Value::Bool(is_so);
    match function {
        Function::IsDefined => is(*first != Value::Undefined),
        Function::IsNull => is(*first == Value::Null),
        Function::IsBool => is(matches!(first, Value::Bool(_))),
        Function::IsNumber => is(matches!(first, Value::Number(_))),
        Function::IsString => is(matches!(first, Value::Text(_))),
        Function::IsArray => is(matches!(first, Value::Array(_) | Value::Constants(_))),
        Function::IsObject => is(matches!(first, Value::Object(_))),
        Function::IsPrimitive => {
            is(matches!(first, Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_)))
        }
        Function::ArrayContains => contains(first, &others[0]).into(),
        Function::StartsWith
        | Function::EndsWith
        | Function::Contains
        | Function::IndexOf
        | Function::Concat
        | Function::Length
        | Function::Lower
        | Function::Upper
        | Function::Substring
        | Function::AsNumber => of_text(function, arguments).unwrap_or(Value::Undefined),
        Function::Abs
        | Function::Ceiling
        | Function::Exp
        | Function::Floor
        | Function::Power
        | Function::Sign
        | Function::Sqrt
        | Function::Square => of_number(function, arguments).unwrap_or(Value::Undefined),
    }
}

/// Whether a primitive is one of an array's items.
fn contains(array: &Value<'_>, wanted: &Value<'_>) -> Option<bool> {
    let is_primitive =
        matches!(wanted, Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_));
    let is_wanted = |item: Value<'_>| wanted.order(&item).is_some_and(std::cmp::Ordering::is_eq);
    match array {
        _ if !is_primitive => None,
        Value::Array(json) => {
            Some(json_text::items(json).any(|item| is_wanted(Value::from_json(item.into()))))
        }
        Value::Constants(constants) => Some(constants.iter().any(|c| is_wanted(c.into()))),
        _ => None,
    }
}

fn of_text<'v>(function: Function, arguments: &[Value<'v>]) -> Option<Value<'v>> {
    if function == Function::AsNumber {
        return as_number(&arguments[0]);
    }
    let text = arguments[0].as_text()?;
    let second = || arguments.get(1)?.as_text();
    let characters = |count: usize| Value::Number(count as f64);
    Some(match function {
        Function::StartsWith => Value::Bool(text.starts_with(second()?)),
        Function::EndsWith => Value::Bool(text.ends_with(second()?)),
        Function::Contains => Value::Bool(text.contains(second()?)),
        Function::IndexOf => match text.find(second()?) {
            Some(at) => characters(text[..at].chars().count()),
            None => Value::Number(-1.0),
        },
        Function::Concat => {
            let texts = arguments.iter().map(Value::as_text);
            Value::Text(texts.collect::<Option<String>>()?.into())
        }
        Function::Length => characters(text.chars().count()),
        Function::Lower => Value::Text(text.to_lowercase().into()),
        Function::Upper => Value::Text(text.to_uppercase().into()),
        Function::Substring => {
            let start = index(&arguments[1])?;
            let count = arguments.get(2).map(index).unwrap_or(Some(usize::MAX))?;
            Value::Text(text.chars().skip(start).take(count).collect::<String>().into())
        }
        _ => return None,
    })
}

/// A number from a number or from a text that is one, as JSON writes it.
fn as_number<'v>(value: &Value<'_>) -> Option<Value<'v>> {
    match value {
        Value::Number(number) => Some(Value::Number(*number)),
        Value::Text(text) => {
            let number: serde_json::Number = serde_json::from_str(text.trim()).ok()?;
            number.as_f64().map(Value::number)
        }
        _ => None,
    }
}

/// A place in a text, counted from zero.
fn index(value: &Value<'_>) -> Option<usize> {
    let number = value.as_number()?;
    // A place behind the end is as good as any other one there.
    (number >= 0.0 && number.fract() == 0.0).then_some(number as usize)
}

fn of_number<'v>(function: Function, arguments: &[Value<'v>]) -> Option<Value<'v>> {
    let number = arguments[0].as_number()?;
    Some(Value::number(match function {
        Function::Abs => number.abs(),
        Function::Ceiling => number.ceil(),
        Function::Exp => number.exp(),
        Function::Floor => number.floor(),
        Function::Power => number.powf(arguments.get(1)?.as_number()?),
        Function::Sign if number == 0.0 => 0.0,
        Function::Sign => number.signum(),
        Function::Sqrt => number.sqrt(),
        Function::Square => number * number,
        _ => return None,
    }))
}
