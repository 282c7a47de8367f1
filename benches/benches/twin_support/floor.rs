//! Bare SQLite: the least that durable documents cost.

use std::path::Path;

use rusqlite::{Connection, params};

use super::document;

/// One connection with one table.
pub(crate) struct Floor {
    connection: Connection,
    names: Vec<String>,
    next: usize,
}

impl Floor {
    pub(crate) fn open(path: &Path, devices: usize) -> Self {
        let connection = Connection::open(path).expect("the directory is writable");
        for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
            connection.pragma_update(None, name, value).expect("SQLite knows the pragma");
        }
        let table = "CREATE TABLE twin_reported (
            hub_id INTEGER NOT NULL,
            device_id TEXT NOT NULL,
            module_id TEXT NOT NULL,
            version INTEGER NOT NULL,
            properties TEXT NOT NULL,
            PRIMARY KEY (hub_id, device_id, module_id)
        ) STRICT, WITHOUT ROWID";
        connection.execute_batch(table).expect("the database is new");
        let names = (0..devices).map(|number| format!("device-{number}")).collect();
        Self { connection, names, next: 0 }
    }

    /// Upserts `count` documents, `transaction` of them at a time.
    pub(crate) fn run(&mut self, count: usize, transaction: usize) {
        let devices = self.names.len();
        let numbers: Vec<usize> = (self.next..self.next + count).collect();
        self.next += count;
        for part in numbers.chunks(transaction) {
            self.connection.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
            for number in part {
                let (device, round) = (number % devices, number / devices);
                self.upsert(device, round);
            }
            self.connection.execute_batch("COMMIT").expect("the disk has room");
        }
    }

    fn upsert(&self, device: usize, round: usize) {
        let sql = "INSERT OR REPLACE INTO twin_reported VALUES (?, ?, ?, ?, ?)";
        let mut statement = self.connection.prepare_cached(sql).expect("the table is there");
        let document = document(device, round);
        let version = i64::try_from(round).unwrap_or(i64::MAX);
        let row = params![0, self.names[device], "", version, document];
        statement.execute(row).expect("the disk has room");
    }
}
