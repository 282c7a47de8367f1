//! An index, and how far it has come.

use ringhub_core::limits::QUERY_INDEX_NAME_BYTES_MAX;

use crate::query::{IndexPath, TwinPart};
use crate::registry::RegistryError;
use crate::store::TwinColumns;

/// Number of an index; rises always, and no other index ever has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexNumber(pub(crate) i64);

/// An index as a request describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryIndexDraft {
    name: String,
    pub(crate) path: IndexPath,
    /// For twins of modules instead of those of devices.
    pub(crate) of_modules: bool,
}

impl QueryIndexDraft {
    /// # Errors
    /// [`RegistryError::Argument`] for a name or a path that cannot be.
    pub(crate) fn new(name: String, path: &str, of_modules: bool) -> Result<Self, RegistryError> {
        const NAME: &str =
            "the name of an index is 1 to 64 letters, digits, '-', '_' and '.', and `path` a text";
        const PATH: &str = "`path` is below tags, properties.desired or properties.reported, such \
            as tags.building or properties.reported.fw, and has at most 512 bytes";
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let has_length = (1..=QUERY_INDEX_NAME_BYTES_MAX).contains(&name.len());
        if !has_length || !name.bytes().all(is_name) {
            return Err(RegistryError::Argument(NAME));
        }
        let path = IndexPath::parse(path).ok_or(RegistryError::Argument(PATH))?;
        Ok(Self { name, path, of_modules })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// What an index is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexStage {
    /// Twins that were there before it are still looked at.
    Building,
    /// Queries use it.
    Ready,
    /// Deleted: its keys are still taken away.
    Forgotten,
}

/// One index of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryIndex {
    pub(crate) number: IndexNumber,
    pub(crate) name: String,
    pub(crate) path: IndexPath,
    pub(crate) of_modules: bool,
    pub(crate) stage: IndexStage,
    /// Twins that its building has looked at.
    pub(crate) twins: u64,
    /// Device and module that its building has looked at last; empty before the first.
    pub(crate) last: (String, String),
}

impl QueryIndex {
    /// Names compare without case.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// What has to be read of a twin.
    pub(crate) fn columns(&self) -> TwinColumns {
        match self.path.part() {
            TwinPart::Tags => TwinColumns::TAGS,
            TwinPart::Desired => TwinColumns::DESIRED,
            TwinPart::Reported => TwinColumns::REPORTED,
        }
    }
}
