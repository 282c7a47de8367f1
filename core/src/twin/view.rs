//! Sections as JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::node::{Content, Members, Node};
use super::stamp::Stamp;

/// Properties with `$metadata` and `$version`, as back ends see them.
#[derive(Clone, Copy, Debug)]
pub struct SectionView<'a> {
    pub(super) version: u64,
    pub(super) stamp: Stamp,
    pub(super) members: &'a Members,
}

impl Serialize for SectionView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, node) in self.members {
            map.serialize_entry(name, &Plain(node))?;
        }
        let metadata = Metadata { stamp: self.stamp, members: Some(self.members) };
        map.serialize_entry("$metadata", &metadata)?;
        map.serialize_entry("$version", &self.version)?;
        map.end()
    }
}

/// Members without anything of the hub's own.
pub(super) struct PlainMembers<'a>(pub(super) &'a Members);

impl Serialize for PlainMembers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, node)| (name, Plain(node))))
    }
}

struct Plain<'a>(&'a Node);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.content {
            Content::Leaf(value) => value.serialize(serializer),
            Content::Object(members) => PlainMembers(members).serialize(serializer),
        }
    }
}

/// The mirror of a node: when it changed, and the same of its members.
struct Metadata<'a> {
    stamp: Stamp,
    members: Option<&'a Members>,
}

impl<'a> From<&'a Node> for Metadata<'a> {
    fn from(node: &'a Node) -> Self {
        let members = match &node.content {
            Content::Leaf(_) => None,
            Content::Object(members) => Some(members),
        };
        Self { stamp: node.stamp, members }
    }
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("$lastUpdated", &self.stamp.updated.to_iso8601())?;
        if self.stamp.version > 0 {
            map.serialize_entry("$lastUpdatedVersion", &self.stamp.version)?;
        }
        for (name, node) in self.members.into_iter().flatten() {
            map.serialize_entry(name, &Metadata::from(node))?;
        }
        map.end()
    }
}
