//! Paths that indexes are made for, and the keys under which documents stand there.

use aws_lc_rs::digest::{SHA256, digest};
use ringhub_core::limits::{QUERY_INDEX_PATH_BYTES_MAX, QUERY_INDEX_VALUES_MAX};

use super::json_text;
use super::parser::parse_condition;
use super::path::{Member, Path, Segment};
use super::syntax::{Collection, Comparison, Constant, Expression};
use super::value::Value;

/// A path to a value that is stored in a twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexPath {
    text: String,
    path: Path,
    part: TwinPart,
}

/// The stored parts of a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TwinPart {
    Tags,
    Desired,
    Reported,
}

/// Stands for a value: equal values have equal keys, and others hardly ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexKey(pub(crate) i64);

impl IndexPath {
    /// Reads a path as queries write it; `None` when it leads to nothing that can have an index.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > QUERY_INDEX_PATH_BYTES_MAX {
            return None;
        }
        let Ok((Collection::Devices, Some(Expression::Path(path)))) = parse_condition(text) else {
            return None;
        };
        let part = match path.member {
            Member::Tags => TwinPart::Tags,
            Member::Desired => TwinPart::Desired,
            Member::Reported => TwinPart::Reported,
            _ => return None,
        };
        let is_stored = match path.rest.first() {
            Some(Segment::Name(name)) => name != "$metadata" && name != "$version",
            Some(Segment::Index(_)) | None => false,
        };
        is_stored.then(|| Self { text: text.to_owned(), path, part })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn part(&self) -> TwinPart {
        self.part
    }

    /// The key of a document, of which `json` is the part that the path is in; `None` where nothing
    /// stands there that could equal a constant.
    ///
    /// Costs a search in the text and a hash of the value.
    pub(crate) fn key(&self, json: &str) -> Option<IndexKey> {
        key(&Value::from_json(json_text::find(json, &self.path.rest)?.into()))
    }

    /// The keys outside of which a condition is never true, in order; `None` if there may be any,
    /// or too many.
    pub(super) fn keys(&self, condition: &Expression) -> Option<Vec<IndexKey>> {
        let mut keys = self.keys_of(condition)?;
        keys.sort_unstable();
        keys.dedup();
        (keys.len() <= QUERY_INDEX_VALUES_MAX).then_some(keys)
    }

    fn keys_of(&self, condition: &Expression) -> Option<Vec<IndexKey>> {
        let is_here =
            |side: &Expression| matches!(side, Expression::Path(path) if *path == self.path);
        let key_of = |constant: &Constant| key(&constant.into());
        match condition {
            Expression::All(parts) => parts.iter().find_map(|part| self.keys_of(part)),
            Expression::Any(parts) => {
                let keys = parts.iter().map(|part| self.keys_of(part));
                Some(keys.collect::<Option<Vec<_>>>()?.concat())
            }
            Expression::In(value, list) if is_here(value) => {
                Some(list.iter().filter_map(key_of).collect())
            }
            Expression::Compare(left, Comparison::Equal, right) => match (&**left, &**right) {
                (side, Expression::Constant(constant)) | (Expression::Constant(constant), side)
                    if is_here(side) =>
                {
                    Some(key_of(constant).into_iter().collect())
                }
                _ => None,
            },
            side if is_here(side) => Some(key(&Value::Bool(true)).into_iter().collect()),
            _ => None,
        }
    }
}

/// The key of a value; `None` for one that equals none.
fn key(value: &Value<'_>) -> Option<IndexKey> {
    if matches!(value, Value::Undefined | Value::Array(_) | Value::Object(_) | Value::Constants(_))
    {
        return None;
    }
    let mut bytes = Vec::new();
    value.put_bytes(&mut bytes);
    let hash = digest(&SHA256, &bytes);
    let first = hash.as_ref().first_chunk::<8>()?;
    Some(IndexKey(i64::from_be_bytes(*first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(path: &str, condition: &str) -> Option<usize> {
        let (_, condition) = parse_condition(condition).expect("it is a condition");
        let path = IndexPath::parse(path).expect("it can have an index");
        Some(path.keys(&condition?)?.len())
    }

    #[test]
    fn paths_to_stored_values_can_have_an_index() {
        for path in ["tags.a", "Tags.a.b[0]", "properties.Reported.fw", "tags.[[a b]]"] {
            assert!(IndexPath::parse(path).is_some(), "{path}");
        }
        for path in [
            "tags",
            "deviceId",
            "properties",
            "properties.reported",
            "properties.desired.$version",
            "properties.reported.$metadata.a",
            "connectionState",
            "tags.a = 1",
            "tags.",
            "",
        ] {
            assert!(IndexPath::parse(path).is_none(), "{path}");
        }
        assert!(IndexPath::parse(&format!("tags.{}", "a".repeat(600))).is_none());
    }

    #[test]
    fn equal_values_have_equal_keys() {
        let key = |json: &str| IndexPath::parse("tags.a").expect("valid").key(json);
        let same = [(r#"{"a":1}"#, r#"{"a":1.0}"#), (r#"{"a":0}"#, r#"{"b":2,"a":-0.0}"#)];
        for (one, other) in same.into_iter().chain([(r#"{"a":"é"}"#, r#"{"a":"\u00e9"}"#)]) {
            assert!(key(one).is_some() && key(one) == key(other), "{one} {other}");
        }
        let others =
            [r#"{"a":1}"#, r#"{"a":"1"}"#, r#"{"a":true}"#, r#"{"a":null}"#, r#"{"a":""}"#];
        let distinct: std::collections::BTreeSet<_> = others.iter().map(|json| key(json)).collect();
        assert_eq!(distinct.len(), others.len());
        for none in ["{}", r#"{"a":[]}"#, r#"{"a":{}}"#, r#"{"b":1}"#, ""] {
            assert_eq!(key(none), None, "{none}");
        }
    }

    #[test]
    fn conditions_say_which_values_they_want() {
        for (condition, expected) in [
            ("tags.a = 1", Some(1)),
            ("'x' = tags.a AND tags.b > 3", Some(1)),
            ("NOT tags.b = 1 AND tags.a IN ['x', 'y', 'x']", Some(2)),
            ("tags.a = 1 OR (tags.a = 2 AND tags.b = 3)", Some(2)),
            ("tags.a", Some(1)),
            ("tags.a = undefined", Some(0)),
            ("tags.a = 1 OR tags.b = 2", None),
            ("NOT tags.a = 1", None),
            ("tags.a != 1", None),
            ("tags.a > 1", None),
            ("tags.A = 1", None),
        ] {
            assert_eq!(keys("tags.a", condition), expected, "{condition}");
        }
        let many: Vec<_> = (0..=QUERY_INDEX_VALUES_MAX).map(|n| n.to_string()).collect();
        assert_eq!(keys("tags.a", &format!("tags.a IN [{}]", many.join(","))), None);
    }
}
