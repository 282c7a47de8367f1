//! What hubs have used of the messages of a day.

use ringhub_core::id::HubId;
use ringhub_core::quota::{Day, Usage};
use rusqlite::params;

use super::row::signed;
use super::{SqliteStore, StoreError};

/// One row for each hub.
pub(super) const TABLE: &str = "
CREATE TABLE quota_usage (
    hub_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (hub_id, day)
) STRICT, WITHOUT ROWID;
";

/// Usage of quotas of all hubs.
pub(crate) trait QuotaStore {
    /// Stores what a hub has used, in place of what is stored of any day.
    fn put_quota_usage(&self, hub: HubId, usage: Usage) -> Result<(), StoreError>;
    /// What is stored of all hubs.
    fn quota_usage(&self) -> Result<Vec<(HubId, Usage)>, StoreError>;
}

impl QuotaStore for SqliteStore {
    fn put_quota_usage(&self, hub: HubId, usage: Usage) -> Result<(), StoreError> {
        let Usage { day, messages } = usage;
        let others = "DELETE FROM quota_usage WHERE hub_id = ?1 AND day <> ?2";
        self.execute(others, params![hub.0, day.0])?;
        let put = "INSERT OR REPLACE INTO quota_usage (hub_id, day, messages) VALUES (?1, ?2, ?3)";
        self.execute(put, params![hub.0, day.0, signed(messages)])
    }

    fn quota_usage(&self) -> Result<Vec<(HubId, Usage)>, StoreError> {
        let mut statement = self.prepare("SELECT hub_id, day, messages FROM quota_usage")?;
        let rows = statement.query_map([], |row| {
            let messages = row.get::<_, i64>(2)?.unsigned_abs();
            Ok((HubId(row.get(0)?), Usage { day: Day(row.get(1)?), messages }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
