//! Evaluates identities: asks all conditions, and brings desired properties to what the
//! configurations that take it want. Runs on the writer thread, inside its transaction.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use ringhub_core::id::{HubId, Identity};
use ringhub_core::limits::{
    CONFIGURATION_ROUNDS_MAX, CONFIGURATION_TURN, CONFIGURATION_TURN_IDENTITIES_MAX,
};
use ringhub_core::twin::{Applied, Mode, Part, ServiceChange, TwinError};
use serde_json::Map;

use super::active::of_kinds;
use super::overlay::Overlay;
use super::state::{Layer, Status};
use super::{Configuration, ConfigurationOutcome, Followed, Kind, Statuses};
use crate::directory::IdentityRef;
use crate::registry::{Applier, ChangeError, Effect};
use crate::store::{StoreError, TwinColumns, TwinKeys, TwinScan};
use crate::twin::{Changed, TwinOwner, owner};

/// A configuration that takes an identity.
pub(super) type Taking = Arc<Configuration>;

/// The evaluation of one identity that is due, and of what hangs on it.
pub(super) struct Evaluation<'e, 'a> {
    pub(super) applier: &'e mut Applier<'a>,
    pub(super) hub: HubId,
    pub(super) configurations: Arc<[Taking]>,
    pub(super) rounds: u8,
    pub(super) changed: &'e mut Vec<Changed>,
}

impl Applier<'_> {
    /// Evaluates some of the identities that are due, for a time.
    pub(super) fn evaluate_due(&mut self, hub: HubId) -> Result<ConfigurationOutcome, ChangeError> {
        let until = Instant::now() + CONFIGURATION_TURN;
        let mut changed = Vec::new();
        let configurations = self.directory.hub(hub).map(|hub| hub.configurations.read());
        let configurations = configurations.unwrap_or_default();
        for due in self.store.due(hub, CONFIGURATION_TURN_IDENTITIES_MAX)? {
            self.store.take_due(due.number)?;
            let mut evaluation = Evaluation {
                applier: self,
                hub,
                configurations: configurations.clone(),
                rounds: due.rounds,
                changed: &mut changed,
            };
            evaluation.identity(&due.identity)?;
            if Instant::now() >= until {
                break;
            }
        }
        Ok(ConfigurationOutcome::Changed(changed))
    }
}

impl Evaluation<'_, '_> {
    fn identity(&mut self, identity: &Identity) -> Result<(), ChangeError> {
        if identity.module.is_some() {
            return self.module(identity).map(drop);
        }
        let Some(taking) = self.taking(identity, &[Kind::Device, Kind::Edge])? else {
            return Ok(());
        };
        let (edge, own): (Vec<_>, Vec<_>) =
            taking.into_iter().partition(|configuration| configuration.kind() == Kind::Edge);
        let statuses = self.deploy(&identity.device, &edge)?;
        self.settle(identity, &own, None, &statuses).map(drop)
    }

    /// Evaluates a module; false when its settings cannot be.
    pub(super) fn module(&mut self, identity: &Identity) -> Result<bool, ChangeError> {
        let Some(taking) = self.taking(identity, &[Kind::Module])? else { return Ok(true) };
        let name = IdentityRef::from(identity);
        let layer = self.applier.store.target_state(self.hub, name)?.layer;
        let statuses = layer.as_ref().map(|layer| layer.statuses.clone()).unwrap_or_default();
        self.settle(identity, &taking, layer, &statuses)
    }

    /// The configurations of some kinds that take an identity, from the lowest to the highest;
    /// `None` when it is not there.
    fn taking(
        &self,
        identity: &Identity,
        kinds: &[Kind],
    ) -> Result<Option<Vec<Taking>>, StoreError> {
        let asked = of_kinds(&self.configurations, kinds);
        let columns = asked.iter().map(|configuration| configuration.target.columns());
        let name = IdentityRef::from(identity);
        let scan = TwinScan {
            hub: self.hub,
            of_modules: name.module.is_some(),
            keys: &TwinKeys::devices([name.device].into_iter()),
            columns: columns.fold(TwinColumns::KEY, TwinColumns::and),
            after: ("", ""),
        };
        let mut found = None;
        self.applier.store.scan_twins(scan, &mut |stored| {
            if stored.module != name.module {
                return Ok(ControlFlow::Continue(()));
            }
            let mut taking = Vec::new();
            for configuration in &asked {
                let directory = self.applier.directory;
                if configuration.target.takes(self.hub, directory, stored)? {
                    taking.push(Taking::clone(configuration));
                }
            }
            found = Some(taking);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Brings the desired properties of one identity to what `taking` want, laid over `layer`, and
    /// stores what was done. False when that breaks a rule of twins: all stays as it was then.
    fn settle(
        &mut self,
        identity: &Identity,
        taking: &[Taking],
        layer: Option<Layer>,
        others: &Statuses,
    ) -> Result<bool, ChangeError> {
        let name = IdentityRef::from(identity);
        let mut overlay = Overlay::default();
        let settings = layer.iter().flat_map(|layer| &layer.settings);
        settings.for_each(|setting| overlay.lay(taking.len(), setting));
        for (index, configuration) in taking.iter().enumerate() {
            configuration.content.own().iter().for_each(|setting| overlay.lay(index, setting));
        }
        let mut state = self.applier.store.target_state(self.hub, name)?;
        let before = state.clone();
        let is_set = self.set(identity, &overlay, &state.written)?;
        state.statuses = others.clone();
        for (index, configuration) in taking.iter().enumerate() {
            let is_seen = overlay.shows(index) || configuration.content.own().is_empty();
            let status = if is_set && is_seen { Status::Applied } else { Status::Targeted };
            state.statuses.set(&configuration.id, status);
        }
        if is_set {
            state.written = overlay.paths();
        }
        state.layer = layer;
        if state != before {
            self.applier.store.put_target_state(self.hub, name, &state)?;
        }
        Ok(is_set)
    }

    /// Changes the desired properties if they are not as the overlay wants them.
    fn set(
        &mut self,
        identity: &Identity,
        overlay: &Overlay,
        written: &[super::path::DesiredPath],
    ) -> Result<bool, ChangeError> {
        if written.is_empty() && overlay.paths().is_empty() {
            return Ok(true);
        }
        let (store, now) = (self.applier.store, self.applier.now);
        let name = IdentityRef::from(identity);
        let owner = owner(store, self.hub, identity)?;
        let twin = store.twin(self.hub, name, owner.generation())?;
        let desired: Map<_, _> = serde_json::from_str(twin.desired.properties())
            .map_err(|_| StoreError::Column("desired"))?;
        let patch = overlay.patch(&desired, written);
        if patch.is_empty() {
            return Ok(true);
        }
        let change = merge(patch);
        match twin.apply(change, now) {
            Ok(applied) => self.put(identity, owner, applied).map(|()| true),
            Err(error) => {
                self.tell_refusal(identity, &error);
                Ok(false)
            }
        }
    }

    fn put(
        &mut self,
        identity: &Identity,
        owner: TwinOwner,
        Applied { twin, desired }: Applied,
    ) -> Result<(), ChangeError> {
        let (hub, name) = (self.hub, IdentityRef::from(identity));
        self.applier.store.put_service_side(hub, name, &twin)?;
        if self.rounds < CONFIGURATION_ROUNDS_MAX && self.applier.follows(hub, Followed::Set) {
            self.applier.store.mark_due(hub, name, self.rounds + 1)?;
            self.applier.effects.push(Effect::EvaluationDue);
        }
        let identity = identity.clone();
        let configurations = None;
        self.changed.push(Changed { hub, identity, owner, twin, desired, configurations });
        Ok(())
    }

    fn tell_refusal(&self, identity: &Identity, error: &TwinError) {
        tracing::warn!(
            device = identity.device.as_str(),
            module = identity.module.as_ref().map(ringhub_core::id::ModuleId::as_str),
            %error,
            "configurations want desired properties that a twin cannot have"
        );
    }
}

/// A change that merges into desired properties.
pub(super) fn merge(patch: Map<String, serde_json::Value>) -> ServiceChange {
    ServiceChange { mode: Mode::Merge, tags: Part::Absent, desired: Part::Given(patch) }
}
