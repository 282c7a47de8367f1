//! Applies changes of configurations to the store. Runs on the writer thread, inside its
//! transaction.

use ringhub_core::id::HubId;
use ringhub_core::limits::CONFIGURATIONS_MAX;

use super::{
    Configuration, ConfigurationChange, ConfigurationDraft, ConfigurationError, ConfigurationId,
    ConfigurationOutcome, Kind, ScanStep,
};
use crate::directory::IdentityRef;
use crate::registry::{Applier, ChangeError, Effect, Existing, Missing, Precondition};

impl Applier<'_> {
    /// Makes one change, or says why not. A refused one has written nothing.
    pub(crate) fn change_configurations(
        &mut self,
        hub: HubId,
        change: ConfigurationChange,
    ) -> Result<ConfigurationOutcome, ChangeError> {
        match change {
            ConfigurationChange::Put(draft, when) => self.put_configuration(hub, *draft, &when),
            ConfigurationChange::Delete(id, when) => self.delete_configuration(hub, &id, &when),
            ConfigurationChange::ApplyContent(device, content) => {
                self.apply_content(hub, &device, &content)
            }
            ConfigurationChange::Scanned(step) => self.note_scan(hub, &step),
            ConfigurationChange::Evaluate => self.evaluate_due(hub),
        }
    }

    fn put_configuration(
        &mut self,
        hub: HubId,
        draft: ConfigurationDraft,
        when: &Precondition,
    ) -> Result<ConfigurationOutcome, ChangeError> {
        let before = self.store.configuration(hub, &draft.id)?;
        let is_new = before.is_none();
        let configuration = match before.clone() {
            Some(before) => {
                when.existing.check(before.etag, ConfigurationError::Exists.into())?;
                before.update(draft, self.now)?
            }
            None if when.missing == Missing::Refuse => {
                return Err(ConfigurationError::NotFound.into());
            }
            None => {
                let made = Configuration::create(draft, self.now)?;
                self.check_room(hub, made.kind())?;
                made
            }
        };
        self.store.put_configuration(hub, &configuration)?;
        let is_same = before.is_some_and(|before| {
            (before.priority, &before.target) == (configuration.priority, &configuration.target)
        });
        if !is_same {
            self.store.start_scan(hub, &configuration.id, configuration.kind() == Kind::Module)?;
        }
        self.tell_configurations(hub)?;
        let configuration = Box::new(configuration);
        Ok(ConfigurationOutcome::Put { configuration, is_new })
    }

    /// Devices and modules on one side, edge devices on the other.
    fn check_room(&self, hub: HubId, kind: Kind) -> Result<(), ChangeError> {
        let is_counted = |other: Kind| (other == Kind::Edge) == (kind == Kind::Edge);
        let all = self.store.configurations(hub)?;
        let count = all.iter().filter(|configuration| is_counted(configuration.kind())).count();
        if count < CONFIGURATIONS_MAX { Ok(()) } else { Err(ConfigurationError::TooMany.into()) }
    }

    fn delete_configuration(
        &mut self,
        hub: HubId,
        id: &ConfigurationId,
        when: &Existing,
    ) -> Result<ConfigurationOutcome, ChangeError> {
        let found = self.store.configuration(hub, id)?.ok_or(ConfigurationError::NotFound)?;
        when.check(found.etag, ConfigurationError::Exists.into())?;
        self.store.delete_configuration(hub, id)?;
        self.store.start_scan(hub, id, found.kind() == Kind::Module)?;
        self.tell_configurations(hub)?;
        Ok(ConfigurationOutcome::Deleted)
    }

    fn tell_configurations(&mut self, hub: HubId) -> Result<(), ChangeError> {
        let configurations = self.store.configurations(hub)?;
        self.effects.push(Effect::ConfigurationsSet(hub, configurations));
        Ok(())
    }

    fn note_scan(
        &mut self,
        hub: HubId,
        step: &ScanStep,
    ) -> Result<ConfigurationOutcome, ChangeError> {
        for identity in &step.found {
            self.store.mark_due(hub, IdentityRef::from(identity), 0)?;
        }
        let last = step.last.as_ref().map(|(device, module)| (device.as_str(), module.as_str()));
        self.store.move_scan(step.number, last)?;
        Ok(ConfigurationOutcome::Scanned)
    }
}
