//! The tables of twins, and how those of a version before come into them.
//!
//! A row lies in a table, and an index of the keys leads to it. In a table that is an index itself
//! (WITHOUT ROWID) a row of more than 1,002 bytes would have a page of its own for the rest, and
//! every page on the way to a row would hold four rows of others where it now holds a hundred keys:
//! a twin of 1 KB took 4,682 bytes so, and takes 1,396.
//!
//! Source: SQLite documentation, "Database File Format", "Cell Payload Overflow Pages".

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

/// Twins that were written to, section by section; an empty `module_id` is the device itself.
pub(super) const TABLES: &str = "
CREATE TABLE twin (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    etag INTEGER NOT NULL,
    tags TEXT NOT NULL,
    desired_version INTEGER NOT NULL,
    desired TEXT NOT NULL,
    desired_stamps BLOB NOT NULL,
    PRIMARY KEY (hub_id, device_id, module_id)
) STRICT;
CREATE TABLE twin_reported (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    properties TEXT NOT NULL,
    stamps BLOB NOT NULL,
    PRIMARY KEY (hub_id, device_id, module_id)
) STRICT;
";

const NAMES: [&str; 2] = ["twin", "twin_reported"];
/// Rows that are moved between two looks at the clock.
const ROWS: u32 = 4096;
/// How often the log says how far the move is.
const NEWS_INTERVAL: Duration = Duration::from_secs(2);

/// Moves the rows of the tables that are there into those of the present form, in the order of
/// their keys.
///
/// Belongs into a transaction. Until its log is moved, it needs as much room again as the twins
/// take; the room of the old tables is used for what comes.
pub(super) fn move_rows(connection: &Connection) -> Result<(), rusqlite::Error> {
    for name in NAMES {
        connection.execute_batch(&format!("ALTER TABLE {name} RENAME TO {name}_before"))?;
    }
    connection.execute_batch(TABLES)?;
    tracing::info!("the twins of the registry are moved into tables that take less room");
    let mut news = News { moved: 0, told: Instant::now() };
    for name in NAMES {
        copy(connection, name, &mut news)?;
        connection.execute_batch(&format!("DROP TABLE {name}_before"))?;
    }
    tracing::info!(rows = news.moved, "the twins are moved");
    Ok(())
}

fn copy(connection: &Connection, name: &str, news: &mut News) -> Result<(), rusqlite::Error> {
    let mut some = connection.prepare(&format!(
        "INSERT INTO {name} SELECT * FROM {name}_before \
         WHERE (hub_id, device_id, module_id) > (?1, ?2, ?3) \
         ORDER BY hub_id, device_id, module_id LIMIT ?4"
    ))?;
    let mut last = connection.prepare(&format!(
        "SELECT hub_id, device_id, module_id FROM {name} WHERE rowid = last_insert_rowid()"
    ))?;
    // Before the first hub.
    let mut place = (-1_i64, String::new(), String::new());
    loop {
        let moved = some.execute(params![place.0, place.1, place.2, ROWS])?;
        if moved == 0 {
            return Ok(());
        }
        place = last.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        news.add(moved);
    }
}

/// What the log says of a move that takes long.
struct News {
    moved: usize,
    told: Instant,
}

impl News {
    fn add(&mut self, moved: usize) {
        self.moved += moved;
        if self.told.elapsed() >= NEWS_INTERVAL {
            tracing::info!(rows = self.moved, "twins are being moved");
            self.told = Instant::now();
        }
    }
}
