//! Applies steps of jobs to the store. Runs on the writer thread, inside its transaction.

use ringhub_core::id::{DeviceId, HubId, Identity};
use ringhub_core::limits::{
    IMPORT_ERRORS_BYTES_MAX, JOB_RETENTION, JOBS_KEPT_MAX, REGISTRY_JOBS_UNFINISHED_MAX,
};

use super::error_line::{error_of, left_out, of_configuration};
use super::{
    ImportItem, ImportTurn, ImportedIdentity, NewRegistryJob, RegistryJob, RegistryJobChange,
    RegistryJobNumber, RegistryJobOutcome, RegistryJobProgress, RegistryJobState,
};
use crate::configuration::{ConfigurationChange, ConfigurationDraft};
use crate::registry::{
    Applier, BulkChange, Change, ChangeError, Existing, ItemOutcome, Missing, Outcome,
    Precondition, RegistryError,
};
use crate::store::StoreError;
use crate::twin::{Reader, TwinChange};

impl Applier<'_> {
    /// Takes one step, or says why not. A refused one has written nothing.
    pub(crate) fn change_registry_jobs(
        &mut self,
        change: RegistryJobChange,
    ) -> Result<RegistryJobOutcome, ChangeError> {
        match change {
            RegistryJobChange::Create(new) => self.create_registry_job(*new),
            RegistryJobChange::Cancel(hub, id) => self.cancel_registry_job(hub, &id),
            RegistryJobChange::Start(number) => self.advance(number, |progress| {
                progress.state = RegistryJobState::Running;
            }),
            RegistryJobChange::Advance(number, percent) => {
                self.advance(number, |progress| progress.percent = percent)
            }
            RegistryJobChange::Open(number, etag) => {
                self.advance(number, |progress| progress.input_etag = Some(etag))
            }
            RegistryJobChange::Import(number, turn) => self.import(number, *turn),
            RegistryJobChange::End(number, state, failure) => self.end(number, state, failure),
            RegistryJobChange::Forget => {
                let before = self.now - JOB_RETENTION;
                self.store.forget_registry_jobs(before, JOBS_KEPT_MAX)?;
                Ok(RegistryJobOutcome::Done)
            }
        }
    }

    fn create_registry_job(
        &mut self,
        new: NewRegistryJob,
    ) -> Result<RegistryJobOutcome, ChangeError> {
        let unfinished = self.store.unfinished_registry_jobs(Some(new.hub))?;
        if unfinished.len() >= REGISTRY_JOBS_UNFINISHED_MAX {
            return Err(RegistryError::TooManyRegistryJobs.into());
        }
        let NewRegistryJob { hub, id, request } = new;
        let mut job = RegistryJob {
            number: RegistryJobNumber::default(),
            hub,
            id,
            created: self.now,
            request,
            progress: RegistryJobProgress::new(),
        };
        job.number = self.store.insert_registry_job(&job)?;
        Ok(RegistryJobOutcome::Job(Box::new(job)))
    }

    /// What has ended stays as it is.
    fn cancel_registry_job(
        &mut self,
        hub: HubId,
        id: &str,
    ) -> Result<RegistryJobOutcome, ChangeError> {
        let job = self.store.registry_job(hub, id)?.ok_or(RegistryError::JobNotFound)?;
        if job.progress.state.is_ended() {
            return Ok(RegistryJobOutcome::Done);
        }
        self.end(job.number, RegistryJobState::Cancelled, None)
    }

    /// A job that has not ended, of a hub that is there.
    fn running(&self, number: RegistryJobNumber) -> Result<RegistryJob, ChangeError> {
        let job = self.store.registry_job_by_number(number)?;
        let job = job.filter(|job| self.directory.has_hub(job.hub));
        let job = job.ok_or(RegistryError::JobNotFound)?;
        if job.progress.state.is_ended() {
            return Err(RegistryError::JobEnded.into());
        }
        Ok(job)
    }

    fn advance(
        &mut self,
        number: RegistryJobNumber,
        step: impl FnOnce(&mut RegistryJobProgress),
    ) -> Result<RegistryJobOutcome, ChangeError> {
        let RegistryJob { mut progress, .. } = self.running(number)?;
        step(&mut progress);
        self.store.put_registry_job_progress(number, &progress)?;
        Ok(RegistryJobOutcome::Moved { progress, items: Vec::new() })
    }

    /// What opens the containers is forgotten with the end.
    fn end(
        &mut self,
        number: RegistryJobNumber,
        state: RegistryJobState,
        failure: Option<String>,
    ) -> Result<RegistryJobOutcome, ChangeError> {
        let job = self.running(number)?;
        let mut progress = job.progress;
        if state == RegistryJobState::Completed {
            progress.percent = 100;
        }
        (progress.state, progress.ended, progress.failure) = (state, Some(self.now), failure);
        self.store.put_registry_job_request(number, &job.request.without_signatures())?;
        self.store.put_registry_job_progress(number, &progress)?;
        Ok(RegistryJobOutcome::Moved { progress, items: Vec::new() })
    }

    /// Applies a turn, if all turns before it are applied.
    fn import(
        &mut self,
        number: RegistryJobNumber,
        turn: ImportTurn,
    ) -> Result<RegistryJobOutcome, ChangeError> {
        let RegistryJob { hub, mut progress, .. } = self.running(number)?;
        if progress.position != turn.from {
            // One before it was refused; the job reads where it is, and goes on there.
            return Err(RegistryError::Busy.into());
        }
        let mut errors = String::new();
        let mut items = Vec::with_capacity(turn.items.len());
        for item in turn.items {
            let told = match item {
                ImportItem::Unreadable(told) => Some(told),
                ImportItem::Identity(imported) => {
                    let name = imported.name.clone();
                    let outcome = self.import_identity(hub, *imported)?;
                    let told = error_of(&name, &outcome);
                    items.push(outcome);
                    told
                }
                ImportItem::Configuration(draft) => self.import_configuration(hub, draft)?,
            };
            if let Some(told) = told {
                progress.errors += 1;
                errors += &told;
                errors.push('\n');
            }
        }
        self.keep_errors(number, turn.to, errors, &mut progress)?;
        (progress.position, progress.percent) = (turn.to, turn.percent);
        self.store.put_registry_job_progress(number, &progress)?;
        Ok(RegistryJobOutcome::Moved { progress, items })
    }

    /// Those that are too many are counted: the last row says how many, and is written anew by each
    /// turn.
    fn keep_errors(
        &self,
        number: RegistryJobNumber,
        place: u64,
        errors: String,
        progress: &mut RegistryJobProgress,
    ) -> Result<(), StoreError> {
        if errors.is_empty() {
            return Ok(());
        }
        if progress.error_bytes + errors.len() as u64 <= IMPORT_ERRORS_BYTES_MAX {
            progress.error_bytes += errors.len() as u64;
            return self.store.put_import_errors(number, place, &errors);
        }
        // From now on there is no room for any, so that what is kept has no holes.
        progress.error_bytes = IMPORT_ERRORS_BYTES_MAX;
        let before = self.store.left_out_errors(number)?;
        let count = before + errors.lines().count() as u64;
        self.store.put_left_out_errors(number, count, &(left_out(count) + "\n"))
    }

    fn import_configuration(
        &mut self,
        hub: HubId,
        draft: Box<ConfigurationDraft>,
    ) -> Result<Option<String>, StoreError> {
        let id = draft.id.clone();
        let when = Precondition { missing: Missing::Create, existing: Existing::Overwrite };
        let change = Change::Configuration(hub, ConfigurationChange::Put(draft, when));
        match self.apply(change) {
            Ok(_) => Ok(None),
            Err(ChangeError::Refused(why)) => Ok(Some(of_configuration(id.as_str(), &why))),
            Err(ChangeError::Store(error)) => Err(error),
        }
    }

    fn import_identity(
        &mut self,
        hub: HubId,
        imported: ImportedIdentity,
    ) -> Result<ItemOutcome, StoreError> {
        let ImportedIdentity { mut change, parent, reported, .. } = imported;
        if let (Ok(change), Some(parent)) = (&mut change, parent) {
            self.put_below(hub, &parent, change)?;
        }
        let registered = match (reported, &change) {
            (Some(reported), Ok(change)) => change.put_identity().map(|name| (name, reported)),
            _ => None,
        };
        let new = match registered {
            Some((name, reported)) if self.store.generation(hub, &name)?.is_none() => {
                Some((name, reported))
            }
            _ => None,
        };
        let outcome = self.apply_item(change)?;
        match new {
            Some((identity, reported)) if outcome.identity.is_ok() => {
                self.report_for(hub, identity, &reported, outcome)
            }
            _ => Ok(outcome),
        }
    }

    /// Names the scope that the parent has here. One that is not here is refused later.
    fn put_below(
        &self,
        hub: HubId,
        parent: &DeviceId,
        change: &mut BulkChange,
    ) -> Result<(), StoreError> {
        let Change::PutDevice(_, draft, _) = &mut change.change else { return Ok(()) };
        let Some(parent) = self.store.device(hub, parent)?.filter(|parent| parent.iot_edge) else {
            return Ok(());
        };
        let scope = parent.edge_scope();
        if draft.iot_edge != Some(true) {
            draft.device_scope = Some(scope.clone());
        }
        draft.parent_scope = Some(scope);
        Ok(())
    }

    /// Puts what a device has reported elsewhere into its twin here.
    fn report_for(
        &mut self,
        hub: HubId,
        identity: Identity,
        reported: &bytes::Bytes,
        outcome: ItemOutcome,
    ) -> Result<ItemOutcome, StoreError> {
        let Some(generation) = self.store.generation(hub, &identity)? else { return Ok(outcome) };
        let sender = Reader { hub, identity, generation };
        let report = TwinChange::Report { sender, patch: reported.clone(), version: None };
        match self.apply(Change::Twin(report)) {
            Ok(_) => Ok(outcome),
            Err(ChangeError::Refused(why)) => Ok(ItemOutcome { twin: Some(Err(why)), ..outcome }),
            Err(ChangeError::Store(error)) => Err(error),
        }
    }
}

impl BulkChange {
    /// The identity that this registers or overwrites.
    fn put_identity(&self) -> Option<Identity> {
        match &self.change {
            Change::PutDevice(_, draft, _) => {
                Some(Identity { device: draft.id.clone(), module: None })
            }
            Change::PutModule(_, draft, _) => {
                Some(Identity { device: draft.device.clone(), module: Some(draft.id.clone()) })
            }
            _ => None,
        }
    }
}

impl From<RegistryJobOutcome> for Outcome {
    fn from(outcome: RegistryJobOutcome) -> Self {
        Self::RegistryJob(outcome)
    }
}
