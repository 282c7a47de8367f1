//! Fills the directory from the database at start.

use ringhub_core::id::HubId;
use rusqlite::Connection;

use super::row::{self, DEVICE_COLUMNS, MODULE_COLUMNS, PRESENCE_COLUMNS};
use super::{StoreError, c2d, certificates, models, uploads};
use crate::clock;
use crate::directory::{Directory, GenerationId};

/// Streams all devices and modules into `directory`; never holds more than a row. Returns the
/// latest generation id.
pub(crate) fn load(
    connection: &Connection,
    directory: &Directory,
) -> Result<GenerationId, StoreError> {
    let mut latest = GenerationId::default();
    let sql = format!("SELECT {DEVICE_COLUMNS}, hub_id FROM device");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let device = row::device(row)?;
        latest = latest.max(device.generation);
        let hub = HubId(row.get("hub_id")?);
        directory.put_device(hub, &device.id, device.status, device.directory_record());
    }
    let sql = format!("SELECT {MODULE_COLUMNS}, hub_id FROM module");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let module = row::module(row)?;
        latest = latest.max(module.generation);
        let hub = HubId(row.get("hub_id")?);
        directory.put_module(hub, &module.device, &module.id, module.directory_record());
    }
    certificates::load(connection, directory)?;
    load_presence(connection, directory)?;
    models::load(connection, directory)?;
    c2d::load(connection, directory)?;
    uploads::load(connection, directory)?;
    Ok(latest)
}

fn load_presence(connection: &Connection, directory: &Directory) -> Result<(), StoreError> {
    let now = clock::now();
    let sql = format!(
        "SELECT {PRESENCE_COLUMNS} FROM presence p JOIN device d USING (hub_id, device_id) \
         LEFT JOIN module m USING (hub_id, device_id, module_id)"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        directory.restore(&row::presence(row)?, now);
    }
    Ok(())
}
