//! Sections as JSON.

use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::stamp::Stamp;
use super::tree::{Members, Tree};

/// Properties with `$metadata` and `$version`, as back ends see them.
#[derive(Clone, Copy, Debug)]
pub struct SectionView<'a> {
    pub(super) version: u64,
    pub(super) stamp: Stamp,
    pub(super) tree: &'a Tree,
}

impl Serialize for SectionView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for member in self.tree.members() {
            map.serialize_entry(&member.name(), &Plain(member.json()))?;
        }
        let metadata = Metadata { stamp: self.stamp, members: self.tree.members() };
        map.serialize_entry("$metadata", &metadata)?;
        map.serialize_entry("$version", &self.version)?;
        map.end()
    }
}

/// JSON as it is.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json: &RawValue = serde_json::from_str(self.0).map_err(S::Error::custom)?;
        json.serialize(serializer)
    }
}

/// The mirror of a value: when it changed, and the same of its members.
struct Metadata<'a> {
    stamp: Stamp,
    members: Members<'a>,
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("$lastUpdated", &self.stamp.updated.to_iso8601())?;
        if self.stamp.version > 0 {
            map.serialize_entry("$lastUpdatedVersion", &self.stamp.version)?;
        }
        for member in self.members.clone() {
            let metadata = Metadata { stamp: member.stamp(), members: member.members() };
            map.serialize_entry(&member.name(), &metadata)?;
        }
        map.end()
    }
}
