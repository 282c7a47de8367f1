//! Rows of queued messages and of feedback.

use ringhub_core::c2d::{AckLevel, FeedbackRecord, Outcome, QueuedMessage};
use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::row::signed;
use super::{SqliteStore, StoreError};
use crate::c2d::{NewMessage, NoticeKind};
use crate::directory::{Directory, GenerationId};

/// Tables of the queues and of the feedback. Numbers are never given twice, also over restarts.
pub(super) const TABLES: &str = "
CREATE TABLE c2d_message (
    sequence_number INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT,
    ack INTEGER NOT NULL,
    enqueued_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    delivery_count INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE INDEX c2d_message_of_device ON c2d_message (hub_id, device_id);
CREATE TABLE c2d_feedback (
    feedback_id INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT,
    generation_id INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    outcome INTEGER NOT NULL,
    time_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX c2d_feedback_of_device ON c2d_feedback (hub_id, device_id);
";

/// Queued messages and feedback. Writes count once the transaction around them is committed.
pub(crate) trait C2dStore {
    /// Which of the identities of this name is registered, if one is.
    fn generation(
        &self,
        hub: HubId,
        identity: &Identity,
    ) -> Result<Option<GenerationId>, StoreError>;
    /// Stores a message and gives its number, which rises from message to message.
    fn insert_message(&self, hub: HubId, new: &NewMessage) -> Result<u64, StoreError>;
    /// Removes a message; false if it was not there.
    fn delete_message(&self, sequence_number: u64) -> Result<bool, StoreError>;
    /// Stores how often a message was abandoned.
    fn set_delivery_count(&self, sequence_number: u64, count: u32) -> Result<(), StoreError>;
    /// Stores a record, whose own number is not looked at, and gives its number.
    fn insert_feedback(&self, hub: HubId, record: &FeedbackRecord) -> Result<u64, StoreError>;
    /// Removes records of a kind.
    fn delete_notices(&self, kind: NoticeKind, ids: &[u64]) -> Result<(), StoreError>;
    /// Removes the messages and the feedback of a device and its modules, or of one module.
    fn delete_queue(
        &self,
        hub: HubId,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<(), StoreError>;
}

impl C2dStore for SqliteStore {
    fn generation(
        &self,
        hub: HubId,
        identity: &Identity,
    ) -> Result<Option<GenerationId>, StoreError> {
        let (device, module) = names(identity);
        let mut statement = self.prepare(match module {
            None => "SELECT generation_id FROM device WHERE hub_id = ?1 AND device_id = ?2",
            Some(_) => {
                "SELECT generation_id FROM module \
                 WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3"
            }
        })?;
        let generation = match module {
            None => statement.query_row(params![hub.0, device], |row| row.get(0)),
            Some(module) => statement.query_row(params![hub.0, device, module], |row| row.get(0)),
        };
        Ok(generation.optional()?.map(unsigned).map(GenerationId))
    }

    fn insert_message(&self, hub: HubId, new: &NewMessage) -> Result<u64, StoreError> {
        let (device, module) = names(&new.message.identity);
        self.execute(
            "INSERT INTO c2d_message (hub_id, device_id, module_id, ack, enqueued_ms, expires_ms, \
             delivery_count, content) VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            params![
                hub.0,
                device,
                module,
                new.message.ack.code(),
                new.enqueued.as_millis(),
                new.message.expires.as_millis(),
                &new.message.content[..],
            ],
        )?;
        Ok(self.last_number())
    }

    fn delete_message(&self, sequence_number: u64) -> Result<bool, StoreError> {
        let sql = "DELETE FROM c2d_message WHERE sequence_number = ?1";
        Ok(self.prepare(sql)?.execute([signed(sequence_number)])? > 0)
    }

    fn set_delivery_count(&self, sequence_number: u64, count: u32) -> Result<(), StoreError> {
        self.execute(
            "UPDATE c2d_message SET delivery_count = ?2 WHERE sequence_number = ?1",
            params![signed(sequence_number), count],
        )
    }

    fn insert_feedback(&self, hub: HubId, record: &FeedbackRecord) -> Result<u64, StoreError> {
        let (device, module) = names(&record.identity);
        self.execute(
            "INSERT INTO c2d_feedback (hub_id, device_id, module_id, generation_id, message_id, \
             outcome, time_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                hub.0,
                device,
                module,
                signed(record.generation),
                record.message_id,
                record.outcome.code(),
                record.time.as_millis(),
            ],
        )?;
        Ok(self.last_number())
    }

    fn delete_notices(&self, kind: NoticeKind, ids: &[u64]) -> Result<(), StoreError> {
        let sql = match kind {
            NoticeKind::Feedback => "DELETE FROM c2d_feedback WHERE feedback_id = ?1",
            NoticeKind::File => "DELETE FROM file_notification WHERE notification_id = ?1",
        };
        for id in ids {
            self.execute(sql, [signed(*id)])?;
        }
        Ok(())
    }

    fn delete_queue(
        &self,
        hub: HubId,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<(), StoreError> {
        let (device, module) = (device.as_str(), module.map(ModuleId::as_str));
        for table in ["c2d_message", "c2d_feedback"] {
            let sql = format!(
                "DELETE FROM {table} \
                 WHERE hub_id = ?1 AND device_id = ?2 AND (?3 IS NULL OR module_id = ?3)"
            );
            self.execute(&sql, params![hub.0, device, module])?;
        }
        Ok(())
    }
}

/// Fills the queues from the database at start.
///
/// Messages that the hub does not have to deliver to anybody any more expire like others, by their
/// time.
pub(super) fn load(connection: &Connection, directory: &Directory) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT hub_id, device_id, module_id, sequence_number, ack, expires_ms, delivery_count, \
         content, enqueued_ms FROM c2d_message ORDER BY sequence_number",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(queues) = directory.c2d(HubId(row.get(0)?)) {
            queues.restore(&identity(row)?, message(row)?);
        }
    }
    let mut statement = connection.prepare(
        "SELECT hub_id, device_id, module_id, feedback_id, generation_id, message_id, outcome, \
         time_ms FROM c2d_feedback ORDER BY feedback_id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(queues) = directory.c2d(HubId(row.get(0)?)) {
            let record = record(row)?;
            let time = record.time;
            queues.push_feedback(record, time);
        }
    }
    Ok(())
}

/// What was sent before the start may have been delivered: only the devices know.
fn message(row: &Row<'_>) -> Result<QueuedMessage, StoreError> {
    Ok(QueuedMessage {
        sequence_number: unsigned(row.get(3)?),
        ack: AckLevel::from_code(row.get(4)?).ok_or(StoreError::Column("ack"))?,
        enqueued: UnixMillis::from_millis(row.get(8)?),
        expires: UnixMillis::from_millis(row.get(5)?),
        delivery_count: row.get(6)?,
        content: row.get::<_, Vec<u8>>(7)?.into(),
        delivered: true,
    })
}

fn record(row: &Row<'_>) -> Result<FeedbackRecord, StoreError> {
    Ok(FeedbackRecord {
        id: unsigned(row.get(3)?),
        identity: identity(row)?,
        generation: unsigned(row.get(4)?),
        message_id: row.get::<_, String>(5)?.into(),
        outcome: Outcome::from_code(row.get(6)?).ok_or(StoreError::Column("outcome"))?,
        time: UnixMillis::from_millis(row.get(7)?),
    })
}

fn identity(row: &Row<'_>) -> Result<Identity, StoreError> {
    let device: String = row.get(1)?;
    let module: Option<String> = row.get(2)?;
    let module = module.map(|module| ModuleId::parse(&module)).transpose();
    Ok(Identity {
        device: DeviceId::parse(&device).map_err(|_| StoreError::Column("device_id"))?,
        module: module.map_err(|_| StoreError::Column("module_id"))?,
    })
}

fn names(identity: &Identity) -> (&str, Option<&str>) {
    (identity.device.as_str(), identity.module.as_ref().map(ModuleId::as_str))
}

fn unsigned(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}
