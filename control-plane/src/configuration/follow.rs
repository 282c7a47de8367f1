//! Notes which identities have changed, so that they are evaluated.

use ringhub_core::id::{HubId, Identity};

use super::Followed;
use crate::directory::IdentityRef;
use crate::registry::{Applier, Change, Effect, Outcome};
use crate::store::StoreError;
use crate::twin::TwinChange;

/// An identity whose report is under way.
pub(crate) type Reporter = Option<(HubId, Identity)>;

impl Applier<'_> {
    /// Notes that an identity has changed in the transaction that changes it. Costs one load when
    /// no configuration looks at such changes, and a row otherwise.
    pub(crate) fn follow(
        &mut self,
        hub: HubId,
        name: IdentityRef<'_>,
        change: Followed,
    ) -> Result<(), StoreError> {
        if self.follows(hub, change) {
            self.store.mark_due(hub, name, 0)?;
            self.effects.push(Effect::EvaluationDue);
        }
        Ok(())
    }

    /// Who reports by `change`, if that is followed.
    pub(crate) fn reporter(&self, change: &Change) -> Reporter {
        match change {
            Change::Twin(TwinChange::Report { sender, .. })
                if self.follows(sender.hub, Followed::Reported) =>
            {
                Some((sender.hub, sender.identity.clone()))
            }
            _ => None,
        }
    }

    /// Notes the twins that a change has changed.
    pub(crate) fn follow_twins(
        &mut self,
        reporter: Reporter,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        if let Some((hub, identity)) = reporter {
            self.follow(hub, IdentityRef::from(&identity), Followed::Reported)?;
        }
        if matches!(outcome, Outcome::Configuration(_)) {
            // Configurations follow what they write themselves.
            return Ok(());
        }
        for changed in outcome.changed_twins() {
            let name = IdentityRef::from(&changed.identity);
            self.follow(changed.hub, name, Followed::ServiceSide)?;
        }
        Ok(())
    }

    pub(super) fn follows(&self, hub: HubId, change: Followed) -> bool {
        self.directory.hub(hub).is_some_and(|hub| hub.configurations.follow(change))
    }
}
