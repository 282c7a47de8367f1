//! One section with a version: desired or reported properties.

use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

use super::error::{TwinError, TwinProblem};
use super::node::{
    Members, MembersSeed, Size, members_size, merge, new_members, patch_size, write_stamps,
};
use super::stamp::{DamagedTwin, Stamp, StampReader, StampWriter};
use super::view::SectionView;
use super::{json, memory, rules};
use crate::limits::{TWIN_DESIRED_BYTES_MAX, TWIN_REPORTED_BYTES_MAX};
use crate::time::UnixMillis;

/// A section holds at most so many times more than limits count: control characters and empty
/// values are not counted, and must not be free either.
const HELD_PER_COUNTED_MAX: usize = 4;

/// Desired or reported properties with their metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    version: u64,
    stamp: Stamp,
    members: Members,
}

/// A section as it is stored: its properties as JSON, its stamps beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedSection {
    /// JSON object without `$version` and `$metadata`.
    pub properties: String,
    /// Times and versions of all nodes, in the order of the properties.
    pub stamps: Vec<u8>,
}

impl Section {
    /// An empty section of an identity that was made at `created`; its version is 1.
    #[must_use]
    pub const fn new(created: UnixMillis) -> Self {
        let stamp = Stamp { updated: created, version: 0 };
        Self { version: 1, stamp, members: Members::new() }
    }

    /// Rises by one with each change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`DamagedTwin`] when it has not.
    pub fn decode(version: u64, properties: &str, stamps: &[u8]) -> Result<Self, DamagedTwin> {
        let mut stamps = StampReader::new(stamps);
        let stamp = stamps.next()?;
        let mut json = serde_json::Deserializer::from_str(properties);
        let members = MembersSeed(&mut stamps).deserialize(&mut json).map_err(|_| DamagedTwin)?;
        json.end().map_err(|_| DamagedTwin)?;
        if !stamps.is_empty() {
            return Err(DamagedTwin);
        }
        Ok(Self { version, stamp, members })
    }

    /// The section for the store; the version goes beside it.
    #[must_use]
    pub fn encode(&self) -> EncodedSection {
        let mut stamps = StampWriter::new();
        stamps.push(self.stamp);
        write_stamps(&self.members, &mut stamps);
        EncodedSection { properties: json::encode(&self.members), stamps: stamps.finish() }
    }

    /// About what the section takes of memory, in bytes; rather more than less. Walks through it.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + memory::members(&self.members)
    }

    /// For JSON, with `$version` and `$metadata`.
    #[must_use]
    pub const fn view(&self) -> SectionView<'_> {
        SectionView { version: self.version, stamp: self.stamp, members: &self.members }
    }

    /// Merges a patch into desired properties, whose metadata tell versions.
    pub(super) fn merge_desired(
        &mut self,
        patch: Map<String, Value>,
        now: UnixMillis,
    ) -> Result<(), TwinError> {
        check_patch(&patch, TWIN_DESIRED_BYTES_MAX)?;
        let stamp = Stamp { updated: now, version: self.version + 1 };
        self.merge(patch, stamp, TWIN_DESIRED_BYTES_MAX)
    }

    /// Merges a patch into reported properties.
    pub(super) fn merge_reported(
        &mut self,
        patch: Map<String, Value>,
        now: UnixMillis,
    ) -> Result<(), TwinError> {
        check_patch(&patch, TWIN_REPORTED_BYTES_MAX)?;
        self.merge(patch, Stamp { updated: now, version: 0 }, TWIN_REPORTED_BYTES_MAX)
    }

    /// Puts other desired properties in the place of all.
    pub(super) fn replace_desired(
        &mut self,
        content: Map<String, Value>,
        now: UnixMillis,
    ) -> Result<(), TwinError> {
        check_patch(&content, TWIN_DESIRED_BYTES_MAX)?;
        self.version += 1;
        self.stamp = Stamp { updated: now, version: self.version };
        self.members = new_members(content, self.stamp);
        Ok(())
    }

    /// The names at the top.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.members.keys()
    }

    fn merge(
        &mut self,
        patch: Map<String, Value>,
        stamp: Stamp,
        bytes_max: usize,
    ) -> Result<(), TwinError> {
        merge(&mut self.members, patch, stamp);
        self.version += 1;
        self.stamp = stamp;
        check_size(members_size(&self.members), bytes_max)
    }
}

/// Checks the rules and the size of a patch by itself: it is what the device hears of.
pub(super) fn check_patch(patch: &Map<String, Value>, bytes_max: usize) -> Result<(), TwinError> {
    rules::check(patch)?;
    check_size(patch_size(patch), bytes_max)
}

pub(super) fn check_size(size: Size, bytes_max: usize) -> Result<(), TwinError> {
    if size.counted > bytes_max || size.held > HELD_PER_COUNTED_MAX * bytes_max {
        return Err(TwinError::new(TwinProblem::SectionSize(bytes_max)));
    }
    Ok(())
}
