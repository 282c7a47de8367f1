//! The rows of a hub that is being deleted, wherever they are.

use ringhub_core::id::HubId;
use rusqlite::{Connection, params};

use super::StoreError;

/// Things of a hub whose own rows are found by a number of theirs, and go with them.
struct Numbered {
    table: &'static str,
    number: &'static str,
    /// Table with rows for identities, of which there may be many.
    rows: &'static str,
    /// Table with one more row for each.
    beside: Option<&'static str>,
}

const NUMBERED: [Numbered; 2] = [
    Numbered {
        table: "job",
        number: "job_number",
        rows: "job_device",
        beside: Some("job_progress"),
    },
    Numbered { table: "query_index", number: "number", rows: "query_index_key", beside: None },
];
/// The other tables whose rows belong to a hub: all that have a column for it, but for the one of
/// the hubs.
const TABLES: &str = "SELECT t.name FROM sqlite_schema t \
     JOIN pragma_table_info(t.name) c ON c.name = 'hub_id' \
     WHERE t.type = 'table' AND t.name NOT IN ('hub', 'job', 'query_index') ORDER BY t.name";
/// What tells the rows of a table apart.
const KEY: &str = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
/// The column that says whose a row is.
const HUB: &str = "hub_id";

/// Removes at most about `limit` rows of a hub; none when there are no more.
pub(super) fn remove_rows(
    connection: &Connection,
    hub: HubId,
    limit: usize,
) -> Result<usize, StoreError> {
    let mut removed = 0;
    for things in NUMBERED {
        removed += things.remove(connection, hub, limit.saturating_sub(removed))?;
    }
    for table in tables(connection)? {
        if removed >= limit {
            break;
        }
        let limit = i64::try_from(limit - removed).unwrap_or(i64::MAX);
        let statement = removal(connection, &table)?;
        removed += connection.prepare_cached(&statement)?.execute(params![hub.0, limit])?;
    }
    Ok(removed)
}

impl Numbered {
    /// Removes rows of the first, then the first itself, and so on: nothing else tells whose its
    /// rows are.
    fn remove(
        &self,
        connection: &Connection,
        hub: HubId,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let Self { table, number, rows, beside } = self;
        let first = format!("SELECT {number} FROM {table} WHERE {HUB} = ?1 LIMIT 1");
        let some_rows = format!(
            "DELETE FROM {rows} WHERE {number} = ?1 AND (device_id, module_id) IN \
             (SELECT device_id, module_id FROM {rows} WHERE {number} = ?1 LIMIT ?2)"
        );
        let mut removed = 0;
        while removed < limit {
            let mut first = connection.prepare_cached(&first)?;
            let mut found = first.query([hub.0])?;
            let Some(row) = found.next()? else { break };
            let this: i64 = row.get(0)?;
            let left = i64::try_from(limit - removed).unwrap_or(i64::MAX);
            let gone = connection.prepare_cached(&some_rows)?.execute(params![this, left])?;
            removed += gone;
            if gone == 0 {
                for table in beside.iter().chain([table]) {
                    let statement = format!("DELETE FROM {table} WHERE {number} = ?1");
                    removed += connection.prepare_cached(&statement)?.execute([this])?;
                }
            }
        }
        Ok(removed)
    }
}

/// The statements by which rows go.
#[cfg(test)]
pub(crate) fn removals(connection: &Connection) -> Result<Vec<String>, StoreError> {
    tables(connection)?.iter().map(|table| removal(connection, table)).collect()
}

fn tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(TABLES)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// The statement that removes some rows of a hub from a table, by the key of the table.
fn removal(connection: &Connection, table: &str) -> Result<String, StoreError> {
    let mut statement = connection.prepare_cached(KEY)?;
    let columns = statement.query_map([table], |row| row.get(0))?;
    let columns: Vec<String> = columns.collect::<Result<_, _>>()?;
    let own: Vec<&str> = columns.iter().map(String::as_str).filter(|name| *name != HUB).collect();
    let key = own.join(", ");
    // Where the hub is no part of the key, naming it makes SQLite look at all of its rows.
    let of_hub = if own.len() < columns.len() { "hub_id = ?1 AND " } else { "" };
    Ok(format!(
        "DELETE FROM {table} WHERE {of_hub}({key}) IN \
         (SELECT {key} FROM {table} WHERE hub_id = ?1 LIMIT ?2)"
    ))
}
