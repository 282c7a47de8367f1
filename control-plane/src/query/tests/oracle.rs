//! An evaluator of its own: it knows documents as JSON and queries as trees, and nothing of the
//! engine. Written from the control-plane reference, "Query language".

use std::cmp::Ordering;

use serde_json::{Map, Number, Value, json};

/// A tree that is written as an expression and evaluated as one.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// A constant; `None` is `undefined`.
    Constant(Option<Value>),
    Path(Vec<Step>),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Compare(Box<Self>, &'static str, Box<Self>),
    In(Box<Self>, bool, Vec<Option<Value>>),
    Minus(Box<Self>),
    Arithmetic(Box<Self>, char, Box<Self>),
    Call(&'static str, Vec<Self>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// What a tree is for a document; `None` is undefined.
pub(super) fn evaluate(tree: &Tree, document: &Value) -> Option<Value> {
    match tree {
        Tree::Constant(constant) => constant.clone(),
        Tree::Path(steps) => look_up(document, steps),
        Tree::Not(inner) => {
            let truth = evaluate(inner, document)?.as_bool()?;
            Some(json!(!truth))
        }
        Tree::And(left, right) => {
            let sides = [left, right].map(|side| truth(side, document));
            match sides {
                [Some(false), _] | [_, Some(false)] => Some(json!(false)),
                [Some(true), Some(true)] => Some(json!(true)),
                _ => None,
            }
        }
        Tree::Or(left, right) => {
            let sides = [left, right].map(|side| truth(side, document));
            match sides {
                [Some(true), _] | [_, Some(true)] => Some(json!(true)),
                [Some(false), Some(false)] => Some(json!(false)),
                _ => None,
            }
        }
        Tree::Compare(left, sign, right) => {
            compare(evaluate(left, document), sign, evaluate(right, document)).map(Value::Bool)
        }
        Tree::In(value, is_negated, list) => {
            let value = evaluate(value, document);
            let equal: Vec<_> =
                list.iter().map(|item| compare(value.clone(), "=", item.clone())).collect();
            let truth = if equal.contains(&Some(true)) {
                true
            } else if equal.contains(&None) {
                return None;
            } else {
                false
            };
            Some(json!(truth != *is_negated))
        }
        Tree::Minus(inner) => number(-evaluate(inner, document)?.as_f64()?),
        Tree::Arithmetic(left, sign, right) => {
            let left = evaluate(left, document)?.as_f64()?;
            let right = evaluate(right, document)?.as_f64()?;
            number(match sign {
                '+' => left + right,
                '-' => left - right,
                '*' => left * right,
                '/' => left / right,
                _ => left % right,
            })
        }
        Tree::Call(function, arguments) => {
            let values: Vec<_> = arguments.iter().map(|tree| evaluate(tree, document)).collect();
            call(function, &values)
        }
    }
}

fn truth(tree: &Tree, document: &Value) -> Option<bool> {
    evaluate(tree, document)?.as_bool()
}

fn number(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}

fn compare(left: Option<Value>, sign: &str, right: Option<Value>) -> Option<bool> {
    let order = match (left?, right?) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Bool(left), Value::Bool(right)) => left.cmp(&right),
        (Value::Number(left), Value::Number(right)) => {
            left.as_f64()?.partial_cmp(&right.as_f64()?)?
        }
        (Value::String(left), Value::String(right)) => left.cmp(&right),
        _ => return None,
    };
    Some(match sign {
        "=" => order == Ordering::Equal,
        "!=" | "<>" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

fn call(function: &str, values: &[Option<Value>]) -> Option<Value> {
    let first = values[0].as_ref();
    let text = |index: usize| values[index].as_ref()?.as_str();
    Some(Value::Bool(match function {
        "IS_DEFINED" => first.is_some(),
        "IS_NULL" => first.is_some_and(Value::is_null),
        "IS_BOOL" => first.is_some_and(Value::is_boolean),
        "IS_NUMBER" => first.is_some_and(Value::is_number),
        "IS_STRING" => first.is_some_and(Value::is_string),
        "IS_ARRAY" => first.is_some_and(Value::is_array),
        "IS_OBJECT" => first.is_some_and(Value::is_object),
        "IS_PRIMITIVE" => first.is_some_and(|v| !v.is_array() && !v.is_object()),
        "STARTSWITH" => text(0)?.starts_with(text(1)?),
        "ENDSWITH" => text(0)?.ends_with(text(1)?),
        "CONTAINS" => text(0)?.contains(text(1)?),
        "ARRAY_CONTAINS" => {
            let items = first?.as_array()?;
            let wanted = values[1].clone()?;
            if wanted.is_array() || wanted.is_object() {
                return None;
            }
            let is_wanted = |item: &Value| compare(Some(item.clone()), "=", Some(wanted.clone()));
            items.iter().any(|item| is_wanted(item) == Some(true))
        }
        "LENGTH" => return Some(json!(text(0)?.chars().count())),
        "LOWER" => return Some(json!(text(0)?.to_lowercase())),
        "ABS" => return number(first?.as_f64()?.abs()),
        "FLOOR" => return number(first?.as_f64()?.floor()),
        other => panic!("no such function: {other}"),
    }))
}

/// Members at the top have any case, all others exactly theirs.
pub(super) fn look_up(document: &Value, steps: &[Step]) -> Option<Value> {
    let Step::Name(first) = &steps[0] else { return None };
    let members = document.as_object()?;
    let name = if first.eq_ignore_ascii_case("statusUpdatedTime") {
        "statusUpdateTime".to_owned()
    } else {
        members.keys().find(|key| key.eq_ignore_ascii_case(first))?.clone()
    };
    let mut value = &members[&name];
    for step in &steps[1..] {
        value = match step {
            Step::Name(name) => value.as_object()?.get(name)?,
            Step::Index(index) => value.as_array()?.get(*index)?,
        };
    }
    Some(value.clone())
}

/// What stands between SELECT and FROM.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    Star,
    /// Alias and path.
    Columns(Vec<(String, Vec<Step>)>),
    /// Paths that are grouped by, with their aliases, and aggregates of a path with theirs.
    Groups(Vec<(String, Vec<Step>)>, Vec<(String, &'static str, Vec<Step>)>),
}

/// The rows of a query over documents that are in order. Those of groups are in no order.
pub(super) fn rows(
    selection: &Selection,
    condition: Option<&Tree>,
    documents: &[Value],
) -> Vec<Value> {
    let taken: Vec<&Value> = documents
        .iter()
        .filter(|document| condition.is_none_or(|tree| truth(tree, document) == Some(true)))
        .collect();
    match selection {
        Selection::Star => taken.into_iter().cloned().collect(),
        Selection::Columns(columns) => {
            taken.into_iter().map(|document| row(columns, document)).collect()
        }
        Selection::Groups(by, aggregates) => {
            let mut groups: Vec<(Vec<Option<Value>>, Vec<&Value>)> = Vec::new();
            for document in taken {
                let key: Vec<_> = by.iter().map(|(_, path)| look_up(document, path)).collect();
                let is_same = |(other, _): &&mut (Vec<Option<Value>>, _)| same(other, &key);
                match groups.iter_mut().find(is_same) {
                    Some((_, members)) => members.push(document),
                    None => groups.push((key, vec![document])),
                }
            }
            if by.is_empty() && groups.is_empty() {
                groups.push((Vec::new(), Vec::new()));
            }
            groups.iter().map(|(_, members)| group_row(by, aggregates, members)).collect()
        }
    }
}

/// Values of groups are the same when numbers are equal, and all else is.
fn same(one: &[Option<Value>], other: &[Option<Value>]) -> bool {
    one.iter().zip(other).all(|pair| match pair {
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    })
}

fn row(columns: &[(String, Vec<Step>)], document: &Value) -> Value {
    let value =
        |(alias, path): &(String, Vec<Step>)| Some((alias.clone(), look_up(document, path)?));
    Value::Object(columns.iter().filter_map(value).collect())
}

fn group_row(
    by: &[(String, Vec<Step>)],
    aggregates: &[(String, &'static str, Vec<Step>)],
    members: &[&Value],
) -> Value {
    let mut row = match members.first() {
        Some(first) => row(by, first),
        None => Value::Object(Map::new()),
    };
    for (alias, aggregate, path) in aggregates {
        let numbers: Vec<f64> =
            members.iter().filter_map(|member| look_up(member, path)?.as_f64()).collect();
        let sum: f64 = numbers.iter().sum();
        let result = match *aggregate {
            "COUNT" => Some(members.len() as f64),
            _ if numbers.is_empty() => None,
            "SUM" => Some(sum),
            "AVG" => Some(sum / numbers.len() as f64),
            "MIN" => numbers.iter().copied().reduce(f64::min),
            _ => numbers.iter().copied().reduce(f64::max),
        };
        if let Some(result) = result {
            row[alias] = json!(result);
        }
    }
    row
}

/// A value in which numbers are compared as doubles, and rows can be put in order.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().expect("a double") + 0.0),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (name.clone(), normal(value))).collect(),
        ),
        other => other.clone(),
    }
}
