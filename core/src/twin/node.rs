//! The tree of a section: values, each with the stamp of its last change.

use core::fmt;
use std::collections::BTreeMap;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::stamp::{Stamp, StampReader, StampWriter};

/// Members of an object, in the order of their names.
pub(super) type Members = BTreeMap<String, Node>;

/// A value with its last change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) stamp: Stamp,
    pub(super) content: Content,
}

/// Arrays change as a whole, so they are leaves like scalars.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Leaf(Value),
    Object(Members),
}

/// How much a section holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes as limits count them: names, texts without control characters, 8 for a number, 4 for
    /// a boolean.
    ///
    /// Source: control-plane reference, "Limits" of twins.
    pub(super) counted: usize,
    /// The same with what limits leave out: control characters, and 4 for each value, so that
    /// nothing is free.
    pub(super) held: usize,
}

impl Node {
    /// Makes a tree of one age; `None` for `null`, and without the nulls below.
    fn new(value: Value, stamp: Stamp) -> Option<Self> {
        let content = match value {
            Value::Null => return None,
            Value::Object(members) => Content::Object(new_members(members, stamp)),
            leaf => Content::Leaf(leaf),
        };
        Some(Self { stamp, content })
    }

    fn size(&self) -> Size {
        match &self.content {
            Content::Leaf(value) => value_size(value),
            Content::Object(members) => members_size(members).plus(0, 4),
        }
    }

    fn write_stamps(&self, writer: &mut StampWriter) {
        writer.push(self.stamp);
        if let Content::Object(members) = &self.content {
            write_stamps(members, writer);
        }
    }
}

/// Makes members of one age, without nulls.
pub(super) fn new_members(members: Map<String, Value>, stamp: Stamp) -> Members {
    let node = |(name, value)| Some((name, Node::new(value, stamp)?));
    members.into_iter().filter_map(node).collect()
}

/// Merges a patch: objects deeply, everything else as a whole, `null` removes. Each node that the
/// patch names gets the stamp, also when its value stays the same.
///
/// Source: RFC 7396; control-plane reference, "PATCH semantics".
pub(super) fn merge(members: &mut Members, patch: Map<String, Value>, stamp: Stamp) {
    for (name, value) in patch {
        match (value, members.get_mut(&name)) {
            (
                Value::Object(patch),
                Some(Node { stamp: changed, content: Content::Object(inner) }),
            ) => {
                *changed = stamp;
                merge(inner, patch, stamp);
            }
            (value, Some(node)) => match Node::new(value, stamp) {
                Some(new) => *node = new,
                None => drop(members.remove(&name)),
            },
            (value, None) => {
                if let Some(node) = Node::new(value, stamp) {
                    members.insert(name, node);
                }
            }
        }
    }
}

pub(super) fn members_size(members: &Members) -> Size {
    members.iter().fold(Size::default(), |size, (name, node)| {
        let Size { counted, held } = node.size();
        size.plus(counted + name.len(), held + name.len())
    })
}

/// Size of a patch before it is merged.
pub(super) fn patch_size(patch: &Map<String, Value>) -> Size {
    patch.iter().fold(Size::default(), |size, (name, value)| {
        let Size { counted, held } = value_size(value);
        size.plus(counted + name.len(), held + name.len())
    })
}

fn value_size(value: &Value) -> Size {
    let own = Size { counted: 0, held: 4 };
    match value {
        Value::Null => own,
        Value::Bool(_) => own.plus(4, 4),
        Value::Number(_) => own.plus(8, 8),
        Value::String(text) => own.plus(text.len() - control_bytes(text), text.len()),
        Value::Array(items) => items.iter().fold(own, |size, item| {
            let Size { counted, held } = value_size(item);
            size.plus(counted, held)
        }),
        Value::Object(members) => {
            let Size { counted, held } = patch_size(members);
            own.plus(counted, held)
        }
    }
}

/// Bytes of the control characters of a text.
fn control_bytes(text: &str) -> usize {
    if text.is_ascii() {
        return text.bytes().map(|byte| usize::from(byte.is_ascii_control())).sum();
    }
    text.chars().filter(|c| c.is_control()).map(char::len_utf8).sum()
}

impl Size {
    const fn plus(self, counted: usize, held: usize) -> Self {
        Self { counted: self.counted + counted, held: self.held + held }
    }
}

/// Writes the stamps of members, parents first.
pub(super) fn write_stamps(members: &Members, writer: &mut StampWriter) {
    members.values().for_each(|node| node.write_stamps(writer));
}

/// Reads stored members and their stamps in one pass.
pub(super) struct MembersSeed<'s, 'b>(pub(super) &'s mut StampReader<'b>);

struct NodeSeed<'s, 'b>(&'s mut StampReader<'b>);

struct ContentVisitor<'s, 'b>(&'s mut StampReader<'b>);

impl<'de> DeserializeSeed<'de> for MembersSeed<'_, '_> {
    type Value = Members;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Members, D::Error> {
        match ContentVisitor(self.0).read(from)? {
            Content::Object(members) => Ok(members),
            Content::Leaf(_) => Err(D::Error::custom("a section is an object")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_, '_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        let stamp = self.0.next().map_err(D::Error::custom)?;
        Ok(Node { stamp, content: ContentVisitor(self.0).read(from)? })
    }
}

impl ContentVisitor<'_, '_> {
    fn read<'de, D: Deserializer<'de>>(self, from: D) -> Result<Content, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ContentVisitor<'_, '_> {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a twin")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Leaf(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Leaf(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Content, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(items)).map(Content::Leaf)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Content, A::Error> {
        let mut members = Members::new();
        while let Some(name) = from.next_key::<String>()? {
            members.insert(name, from.next_value_seed(NodeSeed(self.0))?);
        }
        Ok(Content::Object(members))
    }
}
