//! Rows of open uploads and of file notifications.

use ringhub_core::c2d::FileNotification;
use ringhub_core::id::{DeviceId, HubId};
use ringhub_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::row::signed;
use super::{SqliteStore, StoreError};
use crate::clock;
use crate::directory::Directory;
use crate::file_upload::OpenUpload;

/// Numbers of notifications are never given twice, also over restarts.
pub(super) const TABLES: &str = "
CREATE TABLE file_upload (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    container TEXT NOT NULL,
    blob_name TEXT NOT NULL,
    blob_uri TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (hub_id, device_id, correlation_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE file_notification (
    notification_id INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    blob_uri TEXT NOT NULL,
    blob_name TEXT NOT NULL,
    last_updated_ms INTEGER NOT NULL,
    size INTEGER NOT NULL,
    enqueued_ms INTEGER NOT NULL
) STRICT;
";

/// Open uploads and file notifications. Writes count once the transaction around them is committed.
pub(crate) trait UploadStore {
    /// Uploads that a device has begun and not ended.
    fn count_uploads(&self, hub: HubId, device: &DeviceId) -> Result<usize, StoreError>;
    /// The upload of this id, if the device has it.
    fn upload(
        &self,
        hub: HubId,
        device: &DeviceId,
        correlation_id: &str,
    ) -> Result<Option<OpenUpload>, StoreError>;
    /// Stores an upload.
    fn insert_upload(
        &self,
        hub: HubId,
        device: &DeviceId,
        upload: &OpenUpload,
    ) -> Result<(), StoreError>;
    /// Removes an upload.
    fn delete_upload(
        &self,
        hub: HubId,
        device: &DeviceId,
        correlation_id: &str,
    ) -> Result<(), StoreError>;
    /// Removes the uploads of a device that have expired by `now`.
    fn delete_expired_uploads(
        &self,
        hub: HubId,
        device: &DeviceId,
        now: UnixMillis,
    ) -> Result<(), StoreError>;
    /// Removes all uploads of a device.
    fn delete_uploads(&self, hub: HubId, device: &DeviceId) -> Result<(), StoreError>;
    /// Stores a notification, whose own number is not looked at, and gives its number.
    fn insert_file_notification(
        &self,
        hub: HubId,
        file: &FileNotification,
    ) -> Result<u64, StoreError>;
}

impl UploadStore for SqliteStore {
    fn count_uploads(&self, hub: HubId, device: &DeviceId) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) FROM file_upload WHERE hub_id = ?1 AND device_id = ?2";
        let names = params![hub.0, device.as_str()];
        let count: i64 = self.prepare(sql)?.query_row(names, |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn upload(
        &self,
        hub: HubId,
        device: &DeviceId,
        correlation_id: &str,
    ) -> Result<Option<OpenUpload>, StoreError> {
        let mut statement = self.prepare(
            "SELECT correlation_id, container, blob_name, blob_uri, expires_ms FROM file_upload \
             WHERE hub_id = ?1 AND device_id = ?2 AND correlation_id = ?3",
        )?;
        let names = params![hub.0, device.as_str(), correlation_id];
        let found = statement.query_row(names, |row| {
            Ok(OpenUpload {
                correlation_id: row.get(0)?,
                container: row.get(1)?,
                blob_name: row.get(2)?,
                blob_uri: row.get(3)?,
                expires: UnixMillis::from_millis(row.get(4)?),
            })
        });
        Ok(found.optional()?)
    }

    fn insert_upload(
        &self,
        hub: HubId,
        device: &DeviceId,
        upload: &OpenUpload,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO file_upload (hub_id, device_id, correlation_id, container, blob_name, \
             blob_uri, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                hub.0,
                device.as_str(),
                upload.correlation_id,
                upload.container,
                upload.blob_name,
                upload.blob_uri,
                upload.expires.as_millis(),
            ],
        )
    }

    fn delete_upload(
        &self,
        hub: HubId,
        device: &DeviceId,
        correlation_id: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM file_upload WHERE hub_id = ?1 AND device_id = ?2 AND correlation_id = ?3",
            params![hub.0, device.as_str(), correlation_id],
        )
    }

    fn delete_expired_uploads(
        &self,
        hub: HubId,
        device: &DeviceId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM file_upload WHERE hub_id = ?1 AND device_id = ?2 AND expires_ms <= ?3",
            params![hub.0, device.as_str(), now.as_millis()],
        )
    }

    fn delete_uploads(&self, hub: HubId, device: &DeviceId) -> Result<(), StoreError> {
        let sql = "DELETE FROM file_upload WHERE hub_id = ?1 AND device_id = ?2";
        self.execute(sql, params![hub.0, device.as_str()])
    }

    fn insert_file_notification(
        &self,
        hub: HubId,
        file: &FileNotification,
    ) -> Result<u64, StoreError> {
        self.execute(
            "INSERT INTO file_notification (hub_id, device_id, blob_uri, blob_name, \
             last_updated_ms, size, enqueued_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                hub.0,
                file.device.as_str(),
                file.blob_uri,
                file.blob_name,
                file.last_updated.as_millis(),
                signed(file.size),
                file.enqueued.as_millis(),
            ],
        )?;
        Ok(self.last_number())
    }
}

/// Fills the queues of notifications from the database at start.
pub(super) fn load(connection: &Connection, directory: &Directory) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT hub_id, device_id, blob_uri, blob_name, last_updated_ms, size, enqueued_ms, \
         notification_id FROM file_notification ORDER BY notification_id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(queues) = directory.c2d(HubId(row.get(0)?)) {
            queues.push_file(notification(row)?, clock::now());
        }
    }
    Ok(())
}

fn notification(row: &Row<'_>) -> Result<FileNotification, StoreError> {
    let unsigned = |value: i64| u64::from_ne_bytes(value.to_ne_bytes());
    let device: String = row.get(1)?;
    Ok(FileNotification {
        id: unsigned(row.get(7)?),
        device: DeviceId::parse(&device).map_err(|_| StoreError::Column("device_id"))?,
        blob_uri: row.get::<_, String>(2)?.into(),
        blob_name: row.get::<_, String>(3)?.into(),
        last_updated: UnixMillis::from_millis(row.get(4)?),
        size: unsigned(row.get(5)?),
        enqueued: UnixMillis::from_millis(row.get(6)?),
    })
}
