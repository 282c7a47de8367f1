//! What a line asks for.

/// What happens to the identity of a line, or to its twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// Registers it; an error if it is there.
    Create,
    /// Registers it, or overwrites what is there.
    CreateOrUpdate,
    /// Registers it, or overwrites what has the tag of the line.
    CreateOrUpdateIfMatchETag,
    /// Overwrites it; an error if it is not there.
    Update,
    /// Overwrites it if it has the tag of the line.
    UpdateIfMatchETag,
    /// Removes it; an error if it is not there.
    Delete,
    /// Removes it if it has the tag of the line.
    DeleteIfMatchETag,
    /// Merges tags and desired properties into its twin.
    UpdateTwin,
    /// As above if the twin has the tag of the line.
    UpdateTwinIfMatchETag,
}

impl ImportMode {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Create,
        Self::CreateOrUpdate,
        Self::CreateOrUpdateIfMatchETag,
        Self::Update,
        Self::UpdateIfMatchETag,
        Self::Delete,
        Self::DeleteIfMatchETag,
        Self::UpdateTwin,
        Self::UpdateTwinIfMatchETag,
    ];

    /// As lines spell it.
    ///
    /// Source: control-plane reference, "Bulk".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::CreateOrUpdate => "createOrUpdate",
            Self::CreateOrUpdateIfMatchETag => "createOrUpdateIfMatchETag",
            Self::Update => "update",
            Self::UpdateIfMatchETag => "updateIfMatchETag",
            Self::Delete => "delete",
            Self::DeleteIfMatchETag => "deleteIfMatchETag",
            Self::UpdateTwin => "updateTwin",
            Self::UpdateTwinIfMatchETag => "updateTwinIfMatchETag",
        }
    }

    /// The mode of this name, in any case; `None` for another one.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }
}
