//! Striped in-memory table of identities: keys, status, presence. No IO.

/// Why a live connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutReason {
    /// The identity was disabled.
    Disabled,
    /// The identity was deleted.
    Deleted,
}
