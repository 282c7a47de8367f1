//! Applies a change of a hub to the store. Runs on the writer thread, inside its transaction.

use ringhub_core::id::{ConsumerGroup, HubId};
use ringhub_core::limits::CONSUMER_GROUPS_MAX;

use super::HubChange;
use crate::registry::{ChangeError, Effect, KeyChoice, Outcome, RegistryError};
use crate::store::Store;

/// The writer's tools for one change.
pub(crate) struct HubApplier<'a> {
    pub(crate) store: &'a dyn Store,
    /// What the directory must learn after the commit.
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl HubApplier<'_> {
    /// Makes one change, or says why not. A refused change has written nothing.
    pub(crate) fn apply(&mut self, hub: HubId, change: HubChange) -> Result<Outcome, ChangeError> {
        match change {
            HubChange::RegenerateKeys(name, which) => self.regenerate_keys(hub, &name, which),
            HubChange::PutConsumerGroup(group) => self.put_consumer_group(hub, &group),
            HubChange::DeleteConsumerGroup(group) => self.delete_consumer_group(hub, &group),
        }
    }

    fn regenerate_keys(
        &mut self,
        hub: HubId,
        name: &str,
        which: KeyChoice,
    ) -> Result<Outcome, ChangeError> {
        let mut policies = self.store.policies(hub)?;
        let policy = policies.iter_mut().find(|policy| policy.name == name);
        let policy = policy.ok_or(RegistryError::PolicyNotFound)?;
        policy.keys = which.renew(&policy.keys)?;
        self.store.put_policy(hub, policy)?;
        let policy = policy.clone();
        self.effects.push(Effect::PoliciesSet(hub, policies));
        Ok(Outcome::Policy(policy))
    }

    fn put_consumer_group(
        &mut self,
        hub: HubId,
        group: &ConsumerGroup,
    ) -> Result<Outcome, ChangeError> {
        let groups = self.store.consumer_groups(hub)?;
        // `$Default` does not count.
        if !groups.contains(group) && groups.len() > CONSUMER_GROUPS_MAX {
            let full = "the hub has as many consumer groups as it may have: 20 besides $Default";
            return Err(RegistryError::Argument(full).into());
        }
        self.store.put_consumer_group(hub, group)?;
        self.tell_consumer_groups(hub)
    }

    fn delete_consumer_group(
        &mut self,
        hub: HubId,
        group: &ConsumerGroup,
    ) -> Result<Outcome, ChangeError> {
        if *group == ConsumerGroup::new(ConsumerGroup::DEFAULT) {
            return Err(RegistryError::Argument("$Default cannot be deleted").into());
        }
        if !self.store.consumer_groups(hub)?.contains(group) {
            return Err(RegistryError::ConsumerGroupNotFound.into());
        }
        self.store.delete_consumer_group(hub, group)?;
        self.tell_consumer_groups(hub)
    }

    fn tell_consumer_groups(&mut self, hub: HubId) -> Result<Outcome, ChangeError> {
        let groups = self.store.consumer_groups(hub)?;
        self.effects.push(Effect::ConsumerGroupsSet(hub, groups));
        Ok(Outcome::Done)
    }
}
