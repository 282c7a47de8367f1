//! Import and export jobs in the words of the resource provider. They are the jobs that the hub's
//! own REST API makes and lists.
//!
//! Source: control-plane reference, "ARM JobResponse".

use http::StatusCode;
use ringhub_core::codec::http::HttpDate;
use serde_json::{Value, json};

use super::{Found, Provider, ProviderError, page};
use crate::api::{
    Members, Reply, Response, blob_name, check_authentication, container, import_containers,
    parse_body, status_message,
};
use crate::registry_job::{RegistryJob, RegistryJobKind, RegistryJobRequest};

impl Provider<'_> {
    /// Makes a job of this kind as the body describes it; the answer follows when it is durable.
    pub(super) fn make_job(&self, found: &Found, kind: RegistryJobKind, body: &[u8], reply: Reply) {
        let request = match request(kind, body) {
            Ok(request) => request,
            Err(error) => return reply(error.response()),
        };
        self.api.make_registry_job(found.hub.id, request, |made| {
            reply(match made {
                Ok(job) => Response::json(StatusCode::OK, &job_json(&job)),
                Err(error) => ProviderError::from(error).response(),
            });
        });
    }

    pub(super) fn list_jobs(&self, found: &Found) -> Result<Response, ProviderError> {
        let jobs = self.api.registry_jobs(found.hub.id)?;
        Ok(page(jobs.iter().map(job_json).collect()))
    }

    pub(super) fn show_job(&self, found: &Found, id: &str) -> Result<Response, ProviderError> {
        let job = self.api.registry_job(found.hub.id, id)?;
        Ok(Response::json(StatusCode::OK, &job_json(&job)))
    }
}

fn request(kind: RegistryJobKind, body: &[u8]) -> Result<RegistryJobRequest, ProviderError> {
    let body = parse_body(body)?;
    let members = Members::of(&body)?;
    check_authentication(members, "authenticationType")?;
    let (input, output, output_blob) = match kind {
        RegistryJobKind::Export => {
            (None, container(members, "exportBlobContainerUri")?, "exportBlobName")
        }
        RegistryJobKind::Import => {
            let (input, output) = import_containers(members)?;
            (input, output, "outputBlobName")
        }
    };
    Ok(RegistryJobRequest {
        kind,
        input,
        input_blob: blob_name(members, "inputBlobName")?,
        output,
        output_blob: blob_name(members, output_blob)?,
        exclude_keys: members.flag("excludeKeys")?.unwrap_or(false),
        include_configurations: members.flag("includeConfigurations")?.unwrap_or(false),
        configurations_blob: blob_name(members, "configurationsBlobName")?,
    })
}

/// A job, without the signatures of its containers. What there is nothing to be said of is left
/// out.
fn job_json(job: &RegistryJob) -> Value {
    let progress = &job.progress;
    let mut document = json!({
        "jobId": job.id,
        "startTimeUtc": HttpDate(job.created).to_string(),
        "type": job.request.kind.text(),
        "status": progress.state.text(),
    });
    if let Some(ended) = progress.ended {
        document["endTimeUtc"] = json!(HttpDate(ended).to_string());
    }
    if let Some(reason) = &progress.failure {
        document["failureReason"] = json!(reason);
    }
    if let Some(message) = status_message(progress, &job.request) {
        document["statusMessage"] = json!(message);
    }
    document
}
