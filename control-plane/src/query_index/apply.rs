//! Applies changes of indexes to the store. Runs on the writer thread, inside its transaction.

use ringhub_core::id::HubId;
use ringhub_core::limits::QUERY_INDEXES_MAX;

use super::{IndexChange, IndexStage, QueryIndexDraft};
use crate::registry::{Applier, ChangeError, Effect, Outcome, RegistryError};

impl Applier<'_> {
    /// Makes one change, or says why not. A refused one has written nothing.
    pub(crate) fn change_indexes(
        &mut self,
        hub: HubId,
        change: IndexChange,
    ) -> Result<Outcome, ChangeError> {
        match change {
            IndexChange::Put(draft) => return self.put_index(hub, &draft),
            IndexChange::Delete(name) => {
                let indexes = self.store.query_indexes(hub)?;
                let found = indexes.iter().find(|index| index.is_named(&name));
                let found = found.ok_or(RegistryError::QueryIndexNotFound)?;
                self.store.set_query_index_stage(found.number, IndexStage::Forgotten)?;
                self.tell_indexes(hub)?;
            }
            IndexChange::Built(step) => {
                self.store.note_build(&step)?;
                if step.last.is_none() {
                    self.tell_indexes(hub)?;
                }
            }
            IndexChange::Forget(number) => self.store.forget_query_index(number)?,
        }
        Ok(Outcome::Done)
    }

    fn put_index(&mut self, hub: HubId, draft: &QueryIndexDraft) -> Result<Outcome, ChangeError> {
        let indexes = self.store.query_indexes(hub)?;
        if let Some(index) = indexes.iter().find(|index| index.is_named(draft.name())) {
            let is_same = (&index.path, index.of_modules) == (&draft.path, draft.of_modules);
            let other = "an index of this name is for something else: delete it first";
            let refusal = || RegistryError::Argument(other).into();
            return is_same.then_some(Outcome::Done).ok_or_else(refusal);
        }
        if indexes.len() >= QUERY_INDEXES_MAX {
            let full = "the hub has as many indexes as it may have, 16: delete one";
            return Err(RegistryError::Argument(full).into());
        }
        self.store.add_query_index(hub, draft)?;
        self.tell_indexes(hub)?;
        Ok(Outcome::Done)
    }

    fn tell_indexes(&mut self, hub: HubId) -> Result<(), ChangeError> {
        let indexes = self.store.query_indexes(hub)?;
        self.effects.extend([Effect::QueryIndexesSet(hub, indexes), Effect::EvaluationDue]);
        Ok(())
    }
}
