//! Bare SQLite: the least that durable rows cost.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use rusqlite::{Connection, params};

/// Rows of a transaction.
const TRANSACTION: usize = 512;

const TABLE: &str = "CREATE TABLE device (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    generation_id INTEGER NOT NULL,
    etag INTEGER NOT NULL,
    credential_kind INTEGER NOT NULL,
    primary_credential BLOB,
    secondary_credential BLOB,
    subscriptions INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    status_reason TEXT,
    status_updated_ms INTEGER,
    iot_edge INTEGER NOT NULL,
    device_scope TEXT,
    parent_scope TEXT,
    PRIMARY KEY (hub_id, device_id)
) STRICT, WITHOUT ROWID";

/// One connection with the table that ringhub writes. Dropping it removes the data.
pub(crate) struct Floor {
    connection: Connection,
    home: PathBuf,
}

/// What an insert writes besides what is the same in every row.
pub(crate) struct Row {
    name: String,
    generation: i64,
    keys: [u8; 64],
}

/// Makes rows with keys, in memory.
pub(crate) fn rows(names: Vec<String>) -> Vec<Row> {
    let row = |(name, generation)| {
        let mut keys = [0; 64];
        rand::fill(&mut keys).expect("the system has random bytes");
        Row { name, generation, keys }
    };
    names.into_iter().zip(638_000_000_000_000_000..).map(row).collect()
}

impl Floor {
    pub(crate) fn open() -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("registry-floor-{}", std::process::id()));
        fs::create_dir_all(&home).expect("the target directory is writable");
        let connection = Connection::open(home.join("floor.db")).expect("it is writable");
        for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
            connection.pragma_update(None, name, value).expect("SQLite knows the pragma");
        }
        connection.execute_batch(TABLE).expect("the database is new");
        Self { connection, home }
    }

    pub(crate) fn insert(&mut self, rows: &[Row]) {
        let sql =
            "INSERT INTO device VALUES (0, ?, ?, 1, 0, ?, ?, 0, 1, NULL, NULL, 0, NULL, NULL)";
        for part in rows.chunks(TRANSACTION) {
            let transaction = self.connection.transaction().expect("nobody else writes");
            {
                let mut insert = transaction.prepare_cached(sql).expect("the table is there");
                for Row { name, generation, keys } in part {
                    let (primary, secondary) = keys.split_at(32);
                    let row = params![name, generation, primary, secondary];
                    insert.execute(row).expect("the disk has room");
                }
            }
            transaction.commit().expect("the disk has room");
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // What stays behind lies below target and is only untidy.
        let _ = fs::remove_dir_all(&self.home);
    }
}
