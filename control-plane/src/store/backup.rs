//! Copies of the registry database, taken while the hub writes.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::OpenError;
use super::schema::{self, BUSY_TIMEOUT, REGISTRY_FILE};

/// What a registry database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryContents {
    /// Devices and modules.
    pub identities: u64,
    /// Cloud-to-device messages that wait.
    pub messages: u64,
}

/// Writes everything that is committed in the database of the registry directory `from` into the
/// new file `to`.
///
/// One read transaction: the copy is the database as it stood at one instant after the call began,
/// so it holds every change that was answered before. The hub may be running, in this process or
/// another one, and goes on writing; its log grows for as long as this takes. The file is not
/// synced. Blocks.
///
/// Source: SQLite documentation, "VACUUM INTO".
///
/// # Errors
/// [`OpenError`], which names the file and the remedy.
pub fn back_up_registry(from: &Path, to: &Path) -> Result<(), OpenError> {
    let path = from.join(REGISTRY_FILE);
    let explain = |error: rusqlite::Error| schema::explain(&path, &error.into());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(explain)?;
    // Without a hub this is the last connection, which would move the log into the database.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(explain)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(explain)?;
    schema::check_version(&connection, &path)?;
    let target = to.to_str().ok_or_else(|| OpenError::Database {
        path: to.to_owned(),
        detail: "SQLite takes paths in UTF-8 only".to_owned(),
    })?;
    connection.execute("VACUUM INTO ?1", [target]).map(drop).map_err(|error| match explain(error) {
        // Only the copy is written.
        OpenError::DiskFull { .. } => OpenError::DiskFull { path: to.to_owned() },
        other => other,
    })
}

/// Reads a whole copy and checks it: format version, structure, and that all indexes agree.
///
/// # Errors
/// [`OpenError`]: unknown version, damaged.
pub fn check_registry(file: &Path) -> Result<RegistryContents, OpenError> {
    let explain = |error: rusqlite::Error| schema::explain(file, &error.into());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(explain)?;
    let version = schema::check_version(&connection, file)?;
    let verdict: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(explain)?;
    if verdict != "ok" {
        return Err(OpenError::Damaged { path: file.to_owned(), detail: verdict });
    }
    let count = |table: &str| -> Result<u64, OpenError> {
        let statement = format!("SELECT count(*) FROM {table}");
        let count = connection.query_row(&statement, [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(explain)
    };
    let identities = count("device")? + count("module")?;
    let has_messages = version > schema::VERSION_WITHOUT_CONVERSATION;
    let messages = if has_messages { count("c2d_message")? } else { 0 };
    Ok(RegistryContents { identities, messages })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::schema::Database;
    use super::*;
    use crate::tests::TempDir;

    #[test]
    fn a_copy_holds_what_is_committed_and_not_what_is_under_way() {
        let directory = TempDir::new();
        let database = Database::open(directory.path()).unwrap();
        let connection = database.connect().unwrap();
        let add = |name: &str| {
            let statement = "INSERT INTO twin_reported VALUES (0, ?1, '', 1, '{}', x'')";
            connection.execute(statement, [name]).unwrap();
        };
        add("committed");
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        add("under-way");
        let copy = directory.path().join("copy.db");
        back_up_registry(directory.path(), &copy).unwrap();
        connection.execute_batch("COMMIT").unwrap();
        assert_eq!(check_registry(&copy).unwrap(), RegistryContents::default());
        let copied = Connection::open(&copy).unwrap();
        let name: String =
            copied.query_row("SELECT device_id FROM twin_reported", [], |row| row.get(0)).unwrap();
        assert_eq!(name, "committed");
    }

    #[test]
    fn a_damaged_copy_and_one_of_a_newer_version_are_refused() {
        let directory = TempDir::new();
        drop(Database::open(directory.path()).unwrap());
        let copy = directory.path().join("copy.db");
        back_up_registry(directory.path(), &copy).unwrap();
        let good = fs::read(&copy).unwrap();
        let mut damaged = good.clone();
        damaged[4096..].fill(0xa5);
        fs::write(&copy, &damaged).unwrap();
        let refused = check_registry(&copy).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
        fs::write(&copy, &good).unwrap();
        Connection::open(&copy).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let refused = check_registry(&copy).unwrap_err();
        assert!(matches!(refused, OpenError::Version { found: 99, .. }), "{refused}");
    }
}
