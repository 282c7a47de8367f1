//! One section with a version: desired or reported properties.

use super::error::{TwinError, TwinProblem};
use super::patch_value::{PatchMembers, PatchValue};
use super::rules;
use super::size::Size;
use super::stamp::{DamagedTwin, Stamp, StampReader, StampWriter};
use super::tree::Tree;
use super::view::SectionView;
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
    tree: Tree,
}

impl Section {
    /// An empty section of an identity that was made at `created`; its version is 1.
    #[must_use]
    pub fn new(created: UnixMillis) -> Self {
        let stamp = Stamp { updated: created, version: 0 };
        Self { version: 1, stamp, tree: Tree::new() }
    }

    /// Rises by one with each change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Reads what [`version`](Self::version), [`properties`](Self::properties) and
    /// [`stamps`](Self::stamps) were.
    ///
    /// # Errors
    /// [`DamagedTwin`] when they were not.
    pub fn decode(version: u64, properties: &str, stamps: &[u8]) -> Result<Self, DamagedTwin> {
        let mut stamps = StampReader::new(stamps);
        let stamp = stamps.next()?;
        let mut tree = decode(properties)?;
        tree.stamps_mut().try_for_each(|stamp| stamps.next().map(|stored| *stamp = stored))?;
        if !stamps.is_empty() {
            return Err(DamagedTwin);
        }
        Ok(Self { version, stamp, tree })
    }

    /// For the store: the JSON object, without `$version` and `$metadata`.
    #[must_use]
    pub fn properties(&self) -> &str {
        self.tree.json()
    }

    /// For the store: times and versions of all values, in the order of the properties.
    #[must_use]
    pub fn stamps(&self) -> Vec<u8> {
        let mut stamps = StampWriter::new();
        stamps.push(self.stamp);
        self.tree.stamps().for_each(|stamp| stamps.push(stamp));
        stamps.finish()
    }

    /// What the section takes of memory, in bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.tree.memory_bytes()
    }

    /// For JSON, with `$version` and `$metadata`.
    #[must_use]
    pub const fn view(&self) -> SectionView<'_> {
        SectionView { version: self.version, stamp: self.stamp, tree: &self.tree }
    }

    /// Merges a patch into desired properties, whose metadata tell versions.
    pub(super) fn merge_desired(
        &mut self,
        patch: &PatchMembers<'_>,
        now: UnixMillis,
    ) -> Result<(), TwinError> {
        check_patch(patch, TWIN_DESIRED_BYTES_MAX)?;
        let stamp = Stamp { updated: now, version: self.version + 1 };
        self.merge(patch, stamp, TWIN_DESIRED_BYTES_MAX)
    }

    /// Merges a patch into reported properties; a refused one leaves them as they are.
    pub(super) fn merge_reported(
        &mut self,
        patch: &PatchMembers<'_>,
        now: UnixMillis,
    ) -> Result<(), TwinError> {
        check_patch(patch, TWIN_REPORTED_BYTES_MAX)?;
        self.merge(patch, Stamp { updated: now, version: 0 }, TWIN_REPORTED_BYTES_MAX)
    }

    /// Puts other desired properties in the place of all.
    pub(super) fn replace_desired(
        &mut self,
        content: &PatchMembers<'_>,
        now: UnixMillis,
    ) -> Result<(), TwinError> {
        check_content(content, TWIN_DESIRED_BYTES_MAX)?;
        self.version += 1;
        self.stamp = Stamp { updated: now, version: self.version };
        self.tree = Tree::of(content, self.stamp);
        Ok(())
    }

    /// The names at the top.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.tree.members().map(|member| member.name().into_owned())
    }

    fn merge(
        &mut self,
        patch: &PatchMembers<'_>,
        stamp: Stamp,
        bytes_max: usize,
    ) -> Result<(), TwinError> {
        let tree = self.tree.merged(patch, stamp);
        check_size(tree.size(), bytes_max)?;
        self.tree = tree;
        self.version += 1;
        self.stamp = stamp;
        Ok(())
    }
}

/// Checks the rules and the size of a patch by itself: it is what the device hears of.
pub(super) fn check_patch(patch: &PatchMembers<'_>, bytes_max: usize) -> Result<(), TwinError> {
    rules::check(patch)?;
    check_size(Size::of_members(patch), bytes_max)
}

/// Checks what takes the place of all.
pub(super) fn check_content(content: &PatchMembers<'_>, bytes_max: usize) -> Result<(), TwinError> {
    rules::check_no_null(content)?;
    check_patch(content, bytes_max)
}

pub(super) fn check_size(size: Size, bytes_max: usize) -> Result<(), TwinError> {
    let Size { counted, held } = size;
    if counted as usize > bytes_max || held as usize > HELD_PER_COUNTED_MAX * bytes_max {
        return Err(TwinError::new(TwinProblem::SectionSize(bytes_max)));
    }
    Ok(())
}

/// Reads a stored object.
pub(super) fn decode(json: &str) -> Result<Tree, DamagedTwin> {
    match serde_json::from_str(json) {
        Ok(PatchValue::Object(members)) => Ok(Tree::of(&members, Stamp::default())),
        _ => Err(DamagedTwin),
    }
}
