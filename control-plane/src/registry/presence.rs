//! Presence of identities into the store.

use super::{Applier, ChangeError, Outcome};
use crate::directory::PresenceRecord;

impl Applier<'_> {
    /// Stores what the directory has observed; it knows that already.
    pub(super) fn save_presence(
        &mut self,
        records: &[PresenceRecord],
    ) -> Result<Outcome, ChangeError> {
        for record in records {
            self.store.put_presence(record)?;
        }
        Ok(Outcome::Done)
    }
}
