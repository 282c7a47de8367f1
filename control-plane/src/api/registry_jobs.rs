//! Import and export jobs.
//!
//! Source: control-plane reference, "Import / export jobs (v1 jobs)".

use http::StatusCode;
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
use crate::store::RegistryJobStore as _;

impl Api {
    pub(super) fn create_registry_job(&self, context: &Context) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body).map_err(|why| match why {
            RegistryError::BodyMissing => ApiError::from(why),
            _ => ApiError::JobBody("The body is no JSON object"),
        })?;
        let request = request(Members::of(&body)?)?;
        let new = NewRegistryJob { hub: context.hub, id: random_guid(), request };
        let jobs = self.registry_jobs.clone();
        let map = move |outcome| match outcome {
            Outcome::RegistryJob(RegistryJobOutcome::Job(job)) => {
                jobs.wake();
                let request = job.request.clone();
                Ok(Response::json(StatusCode::OK, &job_json(&job, &request)))
            }
            _ => Err(RegistryError::Storage.into()),
        };
        let change = Change::RegistryJob(RegistryJobChange::Create(Box::new(new)));
        Ok(Answer::After(change, Box::new(map)))
    }

    pub(super) fn list_registry_jobs(&self, context: &Context) -> Result<Answer, ApiError> {
        let jobs = self.store.registry_jobs(context.hub);
        let jobs = jobs.map_err(|error| self.unreadable(&error))?;
        let body: Vec<_> = jobs.iter().map(shown).collect();
        Ok(Answer::Ready(Response::json(StatusCode::OK, &body)))
    }

    pub(super) fn show_registry_job(
        &self,
        context: &Context,
        id: &str,
    ) -> Result<Answer, ApiError> {
        let job = self.store.registry_job(context.hub, &id.to_ascii_lowercase());
        let job = job.map_err(|error| self.unreadable(&error))?;
        let job = job.ok_or(RegistryError::JobNotFound)?;
        Ok(Answer::Ready(Response::json(StatusCode::OK, &shown(&job))))
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
    let by_identity = members.filled("storageAuthenticationType")?;
    if by_identity.is_some_and(|text| !text.eq_ignore_ascii_case("keyBased")) {
        let text = "storageAuthenticationType is keyBased here: the container's URI carries a \
                    shared access signature";
        return Err(RegistryError::Argument(text).into());
    }
    let (input, output) = match kind {
        RegistryJobKind::Export => (None, container(members, "outputBlobContainerUri")?),
        RegistryJobKind::Import => {
            let input = container(members, "inputBlobContainerUri")?;
            let has_output = members.filled("outputBlobContainerUri")?.is_some();
            let output = match has_output {
                true => container(members, "outputBlobContainerUri")?,
                // Python's older calls name one container for both.
                false => input.clone(),
            };
            (Some(input), output)
        }
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

fn container(members: Members<'_>, name: &'static str) -> Result<ContainerUri, ApiError> {
    let text = members.filled(name)?.unwrap_or_default();
    ContainerUri::parse(text).map_err(|why| ApiError::Container(name, why))
}

fn blob_name(members: Members<'_>, name: &'static str) -> Result<Option<String>, ApiError> {
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
fn status_message(progress: &RegistryJobProgress, request: &RegistryJobRequest) -> Option<String> {
    let errors = Some(progress.errors).filter(|errors| *errors > 0)?;
    Some(format!("{errors} lines were not applied: {} says why", request.output()))
}
