//! What shards call. Nothing here blocks.

use std::sync::{Arc, OnceLock};

use http::StatusCode;
use ringhub_core::id::DeviceId;
use ringhub_core::storage::{BlobName, ContainerName};
use serde_json::json;

use super::address::Address;
use super::request::{self, Finish};
use super::{
    BlobProperties, FileUpload, OpenUpload, StorageClient, UploadChange, UploadError,
    UploadStorage, correlation,
};
use crate::api::{ApiError, Reply, Response, done};
use crate::blob::{BlobService, StorageError};
use crate::clock;
use crate::directory::{Directory, Grant};
use crate::registry::{Change, Outcome, RegistryError};
use crate::store::{Write, WriteQueue};

/// Uploads of all devices of the process.
#[derive(Debug)]
pub(crate) struct Uploads {
    directory: Arc<Directory>,
    writes: WriteQueue,
    blobs: Arc<BlobService>,
    client: OnceLock<Arc<dyn StorageClient>>,
}

impl Uploads {
    pub(crate) fn new(
        directory: Arc<Directory>,
        writes: WriteQueue,
        blobs: Arc<BlobService>,
    ) -> Self {
        Self { directory, writes, blobs, client: OnceLock::new() }
    }

    /// Gives the way to storage accounts elsewhere; the first one counts.
    pub(crate) fn set_client(&self, client: Arc<dyn StorageClient>) {
        drop(self.client.set(client));
    }

    /// Begins an upload of `name`, or of the file that `body` names, and answers with its address.
    /// `host` is how the device calls the hub.
    pub(crate) fn start(
        &self,
        grant: &Grant,
        host: &str,
        name: Option<String>,
        body: &[u8],
        reply: Reply,
    ) {
        let (upload, address) = match self.open(grant, host, name, body) {
            Ok(open) => open,
            Err(error) => return reply(ApiError::from(error).response()),
        };
        let answer = json!({
            "correlationId": upload.correlation_id,
            "hostName": address.host,
            "containerName": address.container,
            "blobName": upload.blob_name,
            "sasToken": format!("?{}", address.query),
        });
        let device = grant.identity.device.clone();
        let change = UploadChange::Start(grant.hub, device, Box::new(upload));
        let writes = self.writes.clone();
        let write = move || {
            let answer = move |outcome: Result<Outcome, RegistryError>| {
                reply(match outcome {
                    Ok(_) => Response::json(StatusCode::OK, &answer),
                    Err(error) => ApiError::from(error).response(),
                });
            };
            writes.submit(Write { change: Change::Upload(change), done: Box::new(answer) });
        };
        self.with_container(grant, write);
    }

    fn open(
        &self,
        grant: &Grant,
        host: &str,
        name: Option<String>,
        body: &[u8],
    ) -> Result<(OpenUpload, Address), RegistryError> {
        let settings = self.settings(grant)?;
        let name = match name {
            Some(name) => name,
            None => request::blob_name(body)?,
        };
        let device = grant.identity.device.as_str();
        let blob = format!("{device}/{}", name.trim_start_matches('/'));
        let blob = BlobName::parse(&blob).map_err(UploadError::from)?;
        let expires = clock::now() + settings.address_ttl;
        let signed = (grant.hub, &*settings, &*self.blobs);
        let address = Address::sign(signed, host, &blob, expires)?;
        let upload = OpenUpload {
            correlation_id: correlation::new(expires),
            container: settings.container.as_str().to_owned(),
            blob_uri: address.blob_uri(&blob),
            blob_name: blob.as_str().to_owned(),
            expires,
        };
        Ok((upload, address))
    }

    /// Goes on once the container is there, as far as that can be known: the device hears from the
    /// account itself what is wrong with it.
    fn with_container(&self, grant: &Grant, go_on: impl FnOnce() + Send + 'static) {
        let Ok(settings) = self.settings(grant) else { return go_on() };
        let FileUpload { storage, container, .. } = &*settings;
        let (UploadStorage::Account(account), Some(client)) = (storage, self.client.get()) else {
            return go_on();
        };
        let name = account.name.clone();
        let done = move |ready: Result<(), _>| {
            if let Err(reason) = ready {
                tracing::warn!(account = &*name, %reason, "the container for uploads is not ready");
            }
            go_on();
        };
        client.ensure_container(account, container, Box::new(done));
    }

    /// Ends the upload that the path names, or the body. The answer follows when all is durable.
    pub(crate) fn finish(
        self: &Arc<Self>,
        grant: &Grant,
        in_path: Option<String>,
        body: &[u8],
        reply: Reply,
    ) {
        let Finish { correlation_id, is_success } = match request::finish(in_path, body) {
            Ok(finish) => finish,
            Err(error) => return reply(ApiError::from(error).response()),
        };
        let (hub, device) = (grant.hub, grant.identity.device.clone());
        let notifies = self.settings(grant).is_ok_and(|settings| settings.notifies);
        if !(is_success && notifies) {
            return self.write_end(grant, correlation_id, None, reply);
        }
        let (uploads, grant) = (Arc::clone(self), grant.clone());
        let found = move |outcome: Result<Outcome, RegistryError>| match outcome {
            Ok(Outcome::Upload(upload)) => uploads.look_for_blob(&grant, *upload, reply),
            Ok(_) => reply(ApiError::from(RegistryError::Storage).response()),
            Err(error) => reply(ApiError::from(error).response()),
        };
        let change = Change::Upload(UploadChange::Find(hub, device, correlation_id));
        self.writes.submit(Write { change, done: Box::new(found) });
    }

    /// Runs on the writer's thread, which must not wait.
    fn look_for_blob(self: &Arc<Self>, grant: &Grant, upload: OpenUpload, reply: Reply) {
        let names = ContainerName::parse(&upload.container)
            .and_then(|container| Ok((container, BlobName::parse(&upload.blob_name)?)));
        let (container, blob) = match names {
            Ok(names) => names,
            Err(error) => return refuse(UploadError::from(error), reply),
        };
        // Whoever is slow to answer does not keep the store from ending.
        let (uploads, by) = (Arc::downgrade(self), grant.clone());
        let end = move |found: Result<BlobProperties, String>| match (found, uploads.upgrade()) {
            (Ok(found), Some(uploads)) => {
                uploads.write_end(&by, upload.correlation_id, Some(found), reply);
            }
            (Ok(_), None) => reply(ApiError::Busy.response()),
            (Err(why), _) => refuse(UploadError::Blob(why), reply),
        };
        let settings = self.settings(grant);
        match settings.as_ref().map(|settings| &settings.storage) {
            Ok(UploadStorage::Own) => {
                let done =
                    move |found: Result<_, StorageError>| end(found.map_err(|e| e.to_string()));
                self.blobs.find(grant.hub, container, blob, Box::new(done));
            }
            Ok(UploadStorage::Account(account)) => match self.client.get() {
                Some(client) => {
                    let done = move |found: Result<_, _>| {
                        end(found.map_err(|why: super::StorageUnavailable| why.to_string()));
                    };
                    client.find(account, &container, &blob, Box::new(done));
                }
                None => end(Err("nothing calls storage accounts".to_owned())),
            },
            Ok(UploadStorage::None) | Err(_) => end(Err("uploads are switched off".to_owned())),
        }
    }

    fn write_end(
        &self,
        grant: &Grant,
        correlation_id: String,
        found: Option<BlobProperties>,
        reply: Reply,
    ) {
        let device: DeviceId = grant.identity.device.clone();
        let change = UploadChange::Finish(grant.hub, device, correlation_id, found);
        let answer = move |outcome: Result<Outcome, RegistryError>| {
            reply(outcome.map_or_else(|error| ApiError::from(error).response(), |_| done()));
        };
        self.writes.submit(Write { change: Change::Upload(change), done: Box::new(answer) });
    }

    fn settings(&self, grant: &Grant) -> Result<Arc<FileUpload>, RegistryError> {
        let hub = self.directory.hub(grant.hub);
        Ok(hub.map(|hub| hub.file_upload()).ok_or(UploadError::NoStorage)?)
    }
}

fn refuse(error: UploadError, reply: Reply) {
    reply(ApiError::from(RegistryError::from(error)).response());
}
