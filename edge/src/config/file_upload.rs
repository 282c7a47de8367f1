//! `[file_upload]`: files that devices send, and who is told of them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ringhub_control_plane::file_upload as control;
use ringhub_core::c2d::BatchLimits;
use ringhub_core::storage::{ContainerName, InvalidAccount, StorageAccount};
use serde::Deserialize;

use super::ByteSize;
use super::sections::auto;

/// Where files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// To the storage account that the hub has of its own.
    Own,
    /// To the account of a connection string.
    Account,
    /// Nowhere.
    None,
}

/// Addresses, bounds and notifications of uploads. Changes count for what comes after them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileUpload {
    /// Where files go.
    pub storage: Storage,
    /// File with the connection string of the account.
    #[serde(deserialize_with = "auto")]
    pub account_file: Option<PathBuf>,
    /// CA that has signed the certificate of the account; `None`: one that the system trusts.
    #[serde(deserialize_with = "auto")]
    pub account_ca_file: Option<PathBuf>,
    /// The container.
    pub container: String,
    /// Life of an address.
    #[serde(with = "humantime_serde")]
    pub address_ttl: Duration,
    /// Bytes that the hub's own account may hold.
    pub quota: ByteSize,
    /// Whether back ends are told of files.
    pub notifications: bool,
    /// Life of a notification that no back end fetches.
    #[serde(with = "humantime_serde")]
    pub notification_ttl: Duration,
    /// Time that a back end may keep a notification without a verdict.
    #[serde(with = "humantime_serde")]
    pub notification_lock_duration: Duration,
    /// How often a back end may abandon a notification.
    pub notification_max_delivery_count: u32,
}

/// Why the storage account cannot be used; the text names the key and the file.
#[derive(Debug, thiserror::Error)]
pub enum FileUploadError {
    /// The file is not there, or cannot be read.
    #[error("`file_upload.account_file`: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What it holds is no connection string.
    #[error("`file_upload.account_file`: {}: {source}", path.display())]
    Account {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidAccount,
    },
    /// The name of the container is none.
    #[error("`file_upload.container`: {0}")]
    Container(#[from] ringhub_core::storage::InvalidName),
}

impl FileUpload {
    /// As the control plane takes it; reads the connection string from its file.
    ///
    /// # Errors
    /// [`FileUploadError`].
    pub fn settings(&self) -> Result<control::FileUpload, FileUploadError> {
        Ok(control::FileUpload {
            storage: self.storage()?,
            container: ContainerName::parse(&self.container)?,
            address_ttl: self.address_ttl,
            notifies: self.notifications,
            notifications: BatchLimits {
                ttl: self.notification_ttl,
                lock_time: self.notification_lock_duration,
                delivery_count_max: self.notification_max_delivery_count,
            },
            quota_bytes: self.quota.as_bytes(),
        })
    }

    fn storage(&self) -> Result<control::UploadStorage, FileUploadError> {
        let path = match (self.storage, &self.account_file) {
            (Storage::Own, _) => return Ok(control::UploadStorage::Own),
            (Storage::None, _) | (Storage::Account, None) => {
                return Ok(control::UploadStorage::None);
            }
            (Storage::Account, Some(path)) => path,
        };
        let text = fs::read_to_string(path)
            .map_err(|source| FileUploadError::Unreadable { path: path.clone(), source })?;
        let account = StorageAccount::parse(&text)
            .map_err(|source| FileUploadError::Account { path: path.clone(), source })?;
        Ok(control::UploadStorage::Account(Arc::new(account)))
    }
}
