//! Places in desired properties.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ContentProblem;

/// What all paths begin with.
const ROOT: &str = "properties.desired";

/// Names from the top of the desired properties down; without any, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct DesiredPath(Vec<String>);

impl DesiredPath {
    /// Reads `properties.desired.fan.speed`.
    ///
    /// # Errors
    /// [`ContentProblem::Path`].
    pub(super) fn parse(text: &str) -> Result<Self, ContentProblem> {
        let bad = || ContentProblem::Path(text.to_owned());
        let rest = text.strip_prefix(ROOT).ok_or_else(bad)?;
        if rest.is_empty() {
            return Ok(Self::default());
        }
        let names = rest.strip_prefix('.').ok_or_else(bad)?;
        let names: Vec<_> = names.split('.').map(ToOwned::to_owned).collect();
        if names.iter().any(String::is_empty) { Err(bad()) } else { Ok(Self(names)) }
    }

    /// Whether it leads to all desired properties.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it leads to the same place as `other`, or below it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Puts a value here, and objects where the way needs them; null removes.
    pub(super) fn set(&self, properties: &mut Map<String, Value>, value: &Value) {
        self.set_below(0, properties, value);
    }

    /// As [`set`](Self::set), in what lies at `ancestor`.
    pub(super) fn set_within(&self, ancestor: &Self, there: &mut Value, value: &Value) {
        if !there.is_object() {
            *there = Value::Object(Map::new());
        }
        if let Value::Object(members) = there {
            self.set_below(ancestor.0.len(), members, value);
        }
    }

    fn set_below(&self, at: usize, mut members: &mut Map<String, Value>, value: &Value) {
        let Some((last, way)) = self.0.get(at..).and_then(<[String]>::split_last) else {
            *members = value.as_object().cloned().unwrap_or_default();
            return;
        };
        if value.is_null() {
            return remove(members, way, last);
        }
        for name in way {
            let next = members.entry(name.as_str()).or_insert(Value::Null);
            if !next.is_object() {
                *next = Value::Object(Map::new());
            }
            let Value::Object(object) = next else { return };
            members = object;
        }
        members.insert(last.clone(), value.clone());
    }

    /// Takes away what is here, and the objects on the way that are empty then.
    pub(super) fn remove(&self, properties: &mut Map<String, Value>) {
        match self.0.split_last() {
            None => properties.clear(),
            Some((last, way)) => remove(properties, way, last),
        }
    }
}

fn remove(members: &mut Map<String, Value>, way: &[String], last: &str) {
    let Some((first, rest)) = way.split_first() else {
        members.remove(last);
        return;
    };
    if let Some(Value::Object(next)) = members.get_mut(first) {
        let was_empty = next.is_empty();
        remove(next, rest, last);
        if next.is_empty() && !was_empty {
            members.remove(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> DesiredPath {
        DesiredPath::parse(text).expect(text)
    }

    #[test]
    fn paths_begin_with_the_desired_properties() {
        assert!(path("properties.desired").is_root());
        assert!(path("properties.desired.a.b").is_within(&path("properties.desired.a")));
        assert!(!path("properties.desired.ab").is_within(&path("properties.desired.a")));
        for bad in ["", "properties", "properties.desired.", "properties.desired.a..b", "tags.a"] {
            assert_eq!(DesiredPath::parse(bad), Err(ContentProblem::Path(bad.to_owned())), "{bad}");
        }
        assert!(DesiredPath::parse("properties.desiredx").is_err());
    }

    #[test]
    fn a_removal_leaves_no_empty_objects_behind() {
        let mut properties = Map::new();
        path("properties.desired.a.b.c").set(&mut properties, &json!(1));
        path("properties.desired.a.d").set(&mut properties, &json!(2));
        assert_eq!(Value::Object(properties.clone()), json!({"a": {"b": {"c": 1}, "d": 2}}));
        path("properties.desired.a.b.c").remove(&mut properties);
        assert_eq!(Value::Object(properties.clone()), json!({"a": {"d": 2}}));
        path("properties.desired.x.y").remove(&mut properties);
        path("properties.desired.a.d").set(&mut properties, &Value::Null);
        assert_eq!(Value::Object(properties), json!({}));
    }

    #[test]
    fn objects_are_made_where_something_else_stands_in_the_way() {
        let mut properties = Map::from_iter([("a".to_owned(), json!([1]))]);
        path("properties.desired.a.b").set(&mut properties, &json!({"c": true}));
        assert_eq!(Value::Object(properties), json!({"a": {"b": {"c": true}}}));
    }
}
