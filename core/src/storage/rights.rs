//! What a signature allows, and on what.

use super::{BlobName, ContainerName};

/// Letters of the field `sp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRights {
    /// Blobs can be read.
    pub read: bool,
    /// Blobs can be made where there are none.
    pub create: bool,
    /// Blobs can be written.
    pub write: bool,
    /// Blobs can be removed.
    pub delete: bool,
    /// Blobs can be listed.
    pub list: bool,
    /// Containers can be made and removed, and everything else be done.
    pub owner: bool,
}

impl BlobRights {
    /// What the key of the account allows.
    pub const ALL: Self =
        Self { read: true, create: true, write: true, delete: true, list: true, owner: true };

    /// What the letters of a signature allow; `owner` is for those of the whole account.
    pub(super) fn of_letters(letters: &str, owner: bool) -> Self {
        let has = |letter| letters.contains(letter);
        Self {
            read: has('r'),
            create: has('c'),
            write: has('w'),
            delete: has('d'),
            list: has('l'),
            owner,
        }
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobTarget<'a> {
    /// Name of the account.
    pub account: &'a str,
    /// The container; `None` is the account itself.
    pub container: Option<&'a ContainerName>,
    /// The blob; `None` is the container itself.
    pub blob: Option<&'a BlobName>,
}
