//! The signed address that a device sends its file to.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ringhub_core::id::HubId;
use ringhub_core::storage::{BlobName, signed_blob_query};
use ringhub_core::time::UnixMillis;

use super::{FileUpload, UploadError, UploadStorage};
use crate::blob::{ACCOUNT, BlobService};

/// What stands for itself in a path.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An address by its parts, as devices are told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    /// The container, with the path of the account in front where the host does not name it.
    pub(super) container: String,
    pub(super) query: String,
}

impl Address {
    /// Signs an address of a blob that is good until `expires`. `host` is how the device calls the
    /// hub.
    pub(super) fn sign(
        (hub, settings, blobs): (HubId, &FileUpload, &BlobService),
        host: &str,
        blob: &BlobName,
        expires: UnixMillis,
    ) -> Result<Self, UploadError> {
        let FileUpload { storage, container, .. } = settings;
        let sign = |key: &[u8], account: &str| {
            signed_blob_query(key, account, (container, blob), expires).unwrap_or_default()
        };
        Ok(match storage {
            UploadStorage::None => return Err(UploadError::NoStorage),
            UploadStorage::Own => Self {
                host: host.to_owned(),
                container: format!("{ACCOUNT}/{}", container.as_str()),
                query: sign(&blobs.account_key(hub), ACCOUNT),
            },
            UploadStorage::Account(account) => Self {
                host: account.host().to_owned(),
                container: account.container_path(container.as_str()),
                query: sign(account.key(), &account.name),
            },
        })
    }

    /// The address without its signature.
    pub(super) fn blob_uri(&self, blob: &BlobName) -> String {
        let blob = utf8_percent_encode(blob.as_str(), PATH);
        format!("https://{}/{}/{blob}", self.host, self.container)
    }
}
