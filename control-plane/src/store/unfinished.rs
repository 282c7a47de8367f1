//! Which hubs have work for the thread that evaluates configurations and builds indexes.

use ringhub_core::id::HubId;

use super::{SqliteStore, StoreError};
use crate::query_index::IndexStage;

/// From one hub that has something due to the next, whatever the number of those that are due. Of
/// scans and indexes there are few.
const HUBS: &str = "
    WITH RECURSIVE due (hub_id) AS (
        SELECT min(hub_id) FROM configuration_due
        UNION ALL
        SELECT (SELECT min(c.hub_id) FROM configuration_due c WHERE c.hub_id > due.hub_id)
        FROM due WHERE due.hub_id IS NOT NULL
    )
    SELECT hub_id FROM due WHERE hub_id IS NOT NULL
    UNION SELECT hub_id FROM configuration_scan
    UNION SELECT hub_id FROM query_index WHERE stage <> ?1";

impl SqliteStore {
    /// The hubs for which identities are due, a scan is under way, or an index is to be built or
    /// taken away, in order.
    pub(crate) fn hubs_with_work(&self) -> Result<Vec<HubId>, StoreError> {
        let mut statement = self.prepare(HUBS)?;
        let hubs = statement.query_map([IndexStage::Ready as u8], |row| row.get(0).map(HubId))?;
        Ok(hubs.collect::<Result<_, _>>()?)
    }
}
