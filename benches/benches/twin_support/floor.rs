//! Bare SQLite: the least that durable documents cost.

use std::path::Path;

use ringhub_core::twin::{ReportedPatch, Section};
use rusqlite::{CachedStatement, Connection, params};

use super::{now, patch};

/// One connection with the table that ringhub writes.
pub(crate) struct Floor {
    connection: Connection,
    names: Vec<String>,
    /// What the documents to come build upon.
    sections: Vec<Section>,
    next: usize,
}

/// What one upsert writes.
pub(crate) struct Document {
    device: usize,
    version: i64,
    properties: String,
    stamps: Vec<u8>,
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
            stamps BLOB NOT NULL,
            PRIMARY KEY (hub_id, device_id, module_id)
        ) STRICT";
        connection.execute_batch(table).expect("the database is new");
        let names = (0..devices).map(|number| format!("device-{number}")).collect();
        let sections = (0..devices).map(|_| Section::new(now())).collect();
        Self { connection, names, sections, next: 0 }
    }

    /// Makes the next `count` documents, which are those that the patches lead to.
    pub(crate) fn prepare(&mut self, count: usize) -> Vec<Document> {
        let numbers = self.next..self.next + count;
        self.next += count;
        numbers.map(|number| self.document(number)).collect()
    }

    fn document(&mut self, number: usize) -> Document {
        let (device, round) = (number % self.names.len(), number / self.names.len());
        let patch = patch(device, round);
        let patch = ReportedPatch::parse(patch.as_bytes()).expect("it is JSON");
        let section = &mut self.sections[device];
        section.report(&patch, now()).expect("it is in bounds");
        let version = i64::try_from(section.version()).expect("few rounds");
        let (properties, stamps) = (section.properties().to_owned(), section.stamps());
        Document { device, version, properties, stamps }
    }

    /// Upserts the documents, `transaction` of them at a time.
    pub(crate) fn run(&self, documents: &[Document], transaction: usize) {
        let sql = "INSERT INTO twin_reported VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
            ON CONFLICT (hub_id, device_id, module_id) DO UPDATE SET \
            version = ?4, properties = ?5, stamps = ?6";
        let mut upsert = self.connection.prepare_cached(sql).expect("the table is there");
        for part in documents.chunks(transaction) {
            self.connection.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
            part.iter().for_each(|document| self.upsert(&mut upsert, document));
            self.connection.execute_batch("COMMIT").expect("the disk has room");
        }
    }

    fn upsert(&self, statement: &mut CachedStatement<'_>, document: &Document) {
        let Document { device, version, properties, stamps } = document;
        let row = params![0, self.names[*device], "", version, properties, stamps];
        statement.execute(row).expect("the disk has room");
    }
}
