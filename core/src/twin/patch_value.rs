//! What patches say, read without a copy of names and texts where JSON permits it.

use core::fmt;
use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Members in the order of their names, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PatchMembers<'a>(Vec<(Cow<'a, str>, PatchValue<'a>)>);

/// A value that a patch brings.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PatchValue<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Vec<Self>),
    Object(PatchMembers<'a>),
}

impl<'a> PatchMembers<'a> {
    /// Sorts members; of those with one name the last counts.
    fn new(mut members: Vec<(Cow<'a, str>, PatchValue<'a>)>) -> Self {
        if !members.is_sorted_by(|(one, _), (other, _)| one < other) {
            members.reverse();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            members.dedup_by(|(one, _), (other, _)| one == other);
        }
        Self(members)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &PatchValue<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Drops members by their name.
    pub(super) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(&&**name));
        self
    }
}

impl From<Map<String, Value>> for PatchMembers<'_> {
    fn from(members: Map<String, Value>) -> Self {
        Self::new(members.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl From<Value> for PatchValue<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text.into()),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(members.into()),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for PatchValue<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor)
    }
}

/// A name, borrowed if it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match PatchValue::deserialize(from)? {
            PatchValue::Text(name) => Ok(Self(name)),
            _ => Err(serde::de::Error::custom("a name is a text")),
        }
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = PatchValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a twin")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(PatchValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(PatchValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(PatchValue::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(PatchValue::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(PatchValue::Null, PatchValue::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(PatchValue::Text(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(PatchValue::Text(value.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(PatchValue::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = from.next_entry()? {
            members.push((name, value));
        }
        Ok(PatchValue::Object(PatchMembers::new(members)))
    }
}
