//! Import and export jobs.
//!
//! Source: control-plane reference, "Import / export jobs (v1 jobs)".

use http::StatusCode;
use ringhub_core::id::HubId;
use ringhub_core::storage::BlobName;
use serde_json::{Value, json};

use super::error::random_guid;
use super::json::{Members, parse, time_text};
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::registry::{Change, Outcome, RegistryError};
use crate::registry_job::{
    ContainerUri, NewRegistryJob, RegistryJob, RegistryJobChange, RegistryJobKind,
    RegistryJobOutcome, RegistryJobProgress, RegistryJobRequest,
};
use crate::store::{RegistryJobStore as _, Write};

impl Api {
    pub(super) fn create_registry_job(&self, context: &Context) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body).map_err(|why| match why {
            RegistryError::BodyMissing => ApiError::from(why),
            _ => ApiError::JobBody("The body is no JSON object"),
        })?;
        let request = request(Members::of(&body)?)?;
        let (change, made) = self.registry_job_creation(context.hub, request);
        let map = move |outcome| {
            let job = made(outcome)?;
            Ok(Response::json(StatusCode::OK, &job_json(&job, &job.request)))
        };
        Ok(Answer::After(change, Box::new(map)))
    }

    /// Makes a job for the resource provider; `done` hears of it once it is durable.
    pub(crate) fn make_registry_job(
        &self,
        hub: HubId,
        request: RegistryJobRequest,
        done: impl FnOnce(Result<RegistryJob, ApiError>) + Send + 'static,
    ) {
        let (change, made) = self.registry_job_creation(hub, request);
        let done = move |outcome: Result<Outcome, RegistryError>| {
            done(outcome.map_err(ApiError::from).and_then(made));
        };
        self.writes.submit(Write { change, done: Box::new(done) });
    }

    /// What makes a job, and what finds it in the outcome and lets it begin.
    fn registry_job_creation(
        &self,
        hub: HubId,
        request: RegistryJobRequest,
    ) -> (Change, impl FnOnce(Outcome) -> Result<RegistryJob, ApiError> + Send + use<>) {
        let new = NewRegistryJob { hub, id: random_guid(), request };
        let jobs = self.registry_jobs.clone();
        let made = move |outcome| match outcome {
            Outcome::RegistryJob(RegistryJobOutcome::Job(job)) => {
                jobs.wake();
                Ok(*job)
            }
            _ => Err(RegistryError::Storage.into()),
        };
        (Change::RegistryJob(RegistryJobChange::Create(Box::new(new))), made)
    }

    pub(super) fn list_registry_jobs(&self, context: &Context) -> Result<Answer, ApiError> {
        let body: Vec<_> = self.registry_jobs(context.hub)?.iter().map(shown).collect();
        Ok(Answer::Ready(Response::json(StatusCode::OK, &body)))
    }

    /// The jobs of a hub that are remembered, the newest first.
    pub(crate) fn registry_jobs(&self, hub: HubId) -> Result<Vec<RegistryJob>, ApiError> {
        self.store.registry_jobs(hub).map_err(|error| self.unreadable(&error))
    }

    pub(super) fn show_registry_job(
        &self,
        context: &Context,
        id: &str,
    ) -> Result<Answer, ApiError> {
        let job = self.registry_job(context.hub, id)?;
        Ok(Answer::Ready(Response::json(StatusCode::OK, &shown(&job))))
    }

    /// The job of this id, in any case.
    pub(crate) fn registry_job(&self, hub: HubId, id: &str) -> Result<RegistryJob, ApiError> {
        let job = self.store.registry_job(hub, &id.to_ascii_lowercase());
        let job = job.map_err(|error| self.unreadable(&error))?;
        Ok(job.ok_or(RegistryError::JobNotFound)?)
    }

    /// Cancels it; one that has ended stays as it is.
    pub(super) fn cancel_registry_job(&self, context: &Context, id: &str) -> Answer {
        let change = RegistryJobChange::Cancel(context.hub, id.to_ascii_lowercase());
        let map = |_| Ok(Response::empty(StatusCode::NO_CONTENT));
        Answer::After(Change::RegistryJob(change), Box::new(map))
    }
}

/// Reads the body of a create.
fn request(members: Members<'_>) -> Result<RegistryJobRequest, ApiError> {
    const KIND: ApiError = ApiError::JobBody("The type of a job is export or import");
    let kind = match members.text("type")?.map(str::to_ascii_lowercase).as_deref() {
        Some("export") => RegistryJobKind::Export,
        Some("import") => RegistryJobKind::Import,
        _ => return Err(KIND),
    };
    check_authentication(members, "storageAuthenticationType")?;
    let (input, output) = match kind {
        RegistryJobKind::Export => (None, container(members, "outputBlobContainerUri")?),
        RegistryJobKind::Import => import_containers(members)?,
    };
    Ok(RegistryJobRequest {
        kind,
        input,
        input_blob: blob_name(members, "inputBlobName")?,
        output,
        output_blob: blob_name(members, "outputBlobName")?,
        exclude_keys: members.flag("excludeKeysInExport")?.unwrap_or(false),
        include_configurations: members.flag("includeConfigurations")?.unwrap_or(false),
        configurations_blob: blob_name(members, "configurationsBlobName")?,
    })
}

/// Refuses to prove an identity to the storage account: only signatures do that here.
pub(crate) fn check_authentication(
    members: Members<'_>,
    name: &'static str,
) -> Result<(), ApiError> {
    let kind = members.filled(name)?;
    if kind.is_none_or(|text| text.eq_ignore_ascii_case("keyBased")) {
        return Ok(());
    }
    let rule = "keyBased here: the container's URI carries a shared access signature";
    Err(RegistryError::Member { name, rule: rule.to_owned() }.into())
}

/// The containers of an import: of the file, and of the errors.
pub(crate) fn import_containers(
    members: Members<'_>,
) -> Result<(Option<ContainerUri>, ContainerUri), ApiError> {
    const OUTPUT: &str = "outputBlobContainerUri";
    let input = container(members, "inputBlobContainerUri")?;
    let output = match members.filled(OUTPUT)? {
        Some(_) => container(members, OUTPUT)?,
        // Python's older calls name one container for both.
        None => input.clone(),
    };
    Ok((Some(input), output))
}

/// The container that a member names.
pub(crate) fn container(
    members: Members<'_>,
    name: &'static str,
) -> Result<ContainerUri, ApiError> {
    let text = members.filled(name)?.unwrap_or_default();
    ContainerUri::parse(text).map_err(|why| ApiError::Container(name, why))
}

/// The blob that a member names, if it does.
pub(crate) fn blob_name(
    members: Members<'_>,
    name: &'static str,
) -> Result<Option<String>, ApiError> {
    match members.filled(name)? {
        None => Ok(None),
        Some(text) if BlobName::parse(text).is_ok() => Ok(Some(text.to_owned())),
        Some(_) => {
            let rule = "the name of a blob: up to 1024 characters, no empty folders, none that ends with a dot";
            Err(RegistryError::Member { name, rule: rule.to_owned() }.into())
        }
    }
}

/// A job as those see it who have not made it: without the signatures of its containers.
fn shown(job: &RegistryJob) -> Value {
    job_json(job, &job.request.without_signatures())
}

fn job_json(job: &RegistryJob, request: &RegistryJobRequest) -> Value {
    let progress = &job.progress;
    json!({
        "jobId": job.id,
        "startTimeUtc": time_text(Some(job.created)),
        "endTimeUtc": progress.ended.map(|ended| time_text(Some(ended))),
        "type": request.kind.text(),
        "status": progress.state.text(),
        "progress": progress.percent,
        "inputBlobContainerUri": request.input.as_ref().map(ContainerUri::as_str),
        "inputBlobName": request.input_blob,
        "outputBlobContainerUri": request.output.as_str(),
        "outputBlobName": request.output_blob,
        "excludeKeysInExport": request.exclude_keys,
        "storageAuthenticationType": "keyBased",
        "includeConfigurations": request.include_configurations,
        "configurationsBlobName": request.configurations_blob,
        "failureReason": progress.failure,
        "parentJobId": null,
        "statusMessage": status_message(progress, request),
        "useSecondaryStorageAsSource": false,
    })
}

/// What is to be known of a job that has come to its end, although not everything went well.
pub(crate) fn status_message(
    progress: &RegistryJobProgress,
    request: &RegistryJobRequest,
) -> Option<String> {
    let errors = Some(progress.errors).filter(|errors| *errors > 0)?;
    Some(format!("{errors} lines were not applied: {} says why", request.output()))
}
