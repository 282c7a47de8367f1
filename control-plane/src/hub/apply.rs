//! Applies a change of a hub to the store. Runs on the writer thread, inside its transaction.

use std::sync::Arc;

use ringhub_core::id::{ConsumerGroup, HubId};
use ringhub_core::limits::{CONSUMER_GROUPS_MAX, HUB_REMOVAL_ROWS, HUBS_MAX, POLICIES_MAX};
use ringhub_core::time::UnixMillis;

use super::{HubChange, HubRow, MadeGroup, NewPolicy};
use crate::clock;
use crate::directory::{HubProperties, Policy};
use crate::registry::{ChangeError, Effect, KeyChoice, Outcome, RegistryError};
use crate::store::{HubState, Store};

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
            HubChange::PutPolicy(policy) => self.put_policy(hub, policy),
            HubChange::DeletePolicy(name) => self.delete_policy(hub, &name),
            HubChange::PutConsumerGroup(group) => self.put_consumer_group(hub, &group),
            HubChange::DeleteConsumerGroup(group) => self.delete_consumer_group(hub, &group),
            HubChange::Update(properties, policies) => self.update(hub, *properties, policies),
            HubChange::Delete | HubChange::TakeBack => self.delete(hub),
            HubChange::RemoveRows => {
                let removed = self.store.remove_rows_of_hub(hub, HUB_REMOVAL_ROWS)?;
                Ok(Outcome::Removed(removed))
            }
            HubChange::Forget => {
                self.store.forget_hub(hub)?;
                Ok(Outcome::Done)
            }
        }
    }

    /// Makes a hub under a number that no hub ever had.
    pub(crate) fn create(&mut self, row: &HubRow, now: UnixMillis) -> Result<Outcome, ChangeError> {
        let name = || row.host_name.clone();
        match self.store.hub_named(&row.host_name)? {
            Some((_, HubState::Active)) => return Err(RegistryError::HubExists(name()).into()),
            Some(_) => return Err(RegistryError::HubBeingDeleted(name()).into()),
            None => {}
        }
        if self.store.count_hubs()? >= HUBS_MAX {
            return Err(RegistryError::TooManyHubs.into());
        }
        let hub = self.store.insert_hub(row, now)?;
        let made = self.store.active_hub(hub)?.ok_or(RegistryError::Storage)?;
        Ok(Outcome::HubMade(Arc::new(made)))
    }

    fn update(
        &mut self,
        hub: HubId,
        properties: HubProperties,
        policies: Option<Vec<NewPolicy>>,
    ) -> Result<Outcome, ChangeError> {
        self.store.set_hub_properties(hub, &properties)?;
        self.effects.push(Effect::HubPropertiesSet(hub, Box::new(properties)));
        let Some(policies) = policies else { return Ok(Outcome::Done) };
        let before = self.store.policies(hub)?;
        for policy in &before {
            self.store.delete_policy(hub, &policy.name)?;
        }
        for policy in policies {
            let old = before.iter().find(|old| old.name == policy.name);
            let policy = policy.over(old).map_err(|_| RegistryError::Storage)?;
            self.store.put_policy(hub, &policy)?;
        }
        self.tell_policies(hub)?;
        Ok(Outcome::Done)
    }

    fn delete(&mut self, hub: HubId) -> Result<Outcome, ChangeError> {
        if !self.store.mark_hub_deleted(hub)? {
            return Err(RegistryError::HubNotFound.into());
        }
        Ok(Outcome::Done)
    }

    fn put_policy(&mut self, hub: HubId, policy: NewPolicy) -> Result<Outcome, ChangeError> {
        let policies = self.store.policies(hub)?;
        let before = policies.iter().find(|before| before.name == policy.name);
        if before.is_none() && policies.len() >= POLICIES_MAX {
            return Err(RegistryError::TooManyPolicies.into());
        }
        let policy = policy.over(before).map_err(|_| RegistryError::Storage)?;
        self.store.put_policy(hub, &policy)?;
        self.tell_policies(hub)?;
        Ok(Outcome::Policy(policy))
    }

    fn delete_policy(&mut self, hub: HubId, name: &str) -> Result<Outcome, ChangeError> {
        if !self.store.policies(hub)?.iter().any(|policy: &Policy| policy.name == name) {
            return Err(RegistryError::PolicyNotFound.into());
        }
        self.store.delete_policy(hub, name)?;
        self.tell_policies(hub)?;
        Ok(Outcome::Done)
    }

    fn tell_policies(&mut self, hub: HubId) -> Result<(), ChangeError> {
        let policies = self.store.policies(hub)?;
        self.effects.push(Effect::PoliciesSet(hub, policies));
        Ok(())
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
        if let Some(there) = groups.iter().find(|there| there.group == *group) {
            return Ok(Outcome::ConsumerGroup(there.clone()));
        }
        // `$Default` does not count.
        if groups.len() > CONSUMER_GROUPS_MAX {
            let full = "the hub has as many consumer groups as it may have: 20 besides $Default";
            return Err(RegistryError::Argument(full).into());
        }
        let made = MadeGroup { group: group.clone(), created: clock::now() };
        self.store.put_consumer_group(hub, &made)?;
        self.tell_consumer_groups(hub)?;
        Ok(Outcome::ConsumerGroup(made))
    }

    fn delete_consumer_group(
        &mut self,
        hub: HubId,
        group: &ConsumerGroup,
    ) -> Result<Outcome, ChangeError> {
        if *group == ConsumerGroup::new(ConsumerGroup::DEFAULT) {
            return Err(RegistryError::Argument("$Default cannot be deleted").into());
        }
        if !self.store.consumer_groups(hub)?.iter().any(|there| there.group == *group) {
            return Err(RegistryError::ConsumerGroupNotFound.into());
        }
        self.store.delete_consumer_group(hub, group)?;
        self.tell_consumer_groups(hub)?;
        Ok(Outcome::Done)
    }

    fn tell_consumer_groups(&mut self, hub: HubId) -> Result<(), ChangeError> {
        let groups = self.store.consumer_groups(hub)?.into_iter().map(|there| there.group);
        self.effects.push(Effect::ConsumerGroupsSet(hub, groups.collect()));
        Ok(())
    }
}
