//! Writes changes of uploads. Runs on the writer thread, inside its transaction.

use ringhub_core::c2d::FileNotification;
use ringhub_core::id::{DeviceId, HubId, Identity};
use ringhub_core::limits::UPLOADS_OPEN_MAX;
use ringhub_core::time::UnixMillis;

use super::{BlobProperties, OpenUpload, UploadChange, UploadError, correlation};
use crate::c2d::C2dEffect;
use crate::registry::{ChangeError, Effect, Outcome, RegistryError};
use crate::store::Store;

/// The writer's tools for uploads.
pub(crate) struct UploadApplier<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) now: UnixMillis,
    /// What memory must learn after the commit, in this order.
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl UploadApplier<'_> {
    /// Makes one change, or says why not. A refused change has written nothing that counts.
    pub(crate) fn apply(&mut self, change: UploadChange) -> Result<Outcome, ChangeError> {
        match change {
            UploadChange::Start(hub, device, upload) => self.start(hub, device, &upload),
            UploadChange::Find(hub, device, id) => {
                Ok(Outcome::Upload(Box::new(self.find(hub, &device, &id)?)))
            }
            UploadChange::Finish(hub, device, id, found) => self.finish(hub, device, &id, found),
        }
    }

    /// Uploads that have expired make room first.
    fn start(
        &mut self,
        hub: HubId,
        device: DeviceId,
        upload: &OpenUpload,
    ) -> Result<Outcome, ChangeError> {
        let identity = Identity { device, module: None };
        if self.store.generation(hub, &identity)?.is_none() {
            return Err(RegistryError::DeviceNotFound.into());
        }
        self.store.delete_expired_uploads(hub, &identity.device, self.now)?;
        if self.store.count_uploads(hub, &identity.device)? >= UPLOADS_OPEN_MAX {
            return Err(UploadError::TooMany.into());
        }
        self.store.insert_upload(hub, &identity.device, upload)?;
        Ok(Outcome::Done)
    }

    fn find(&self, hub: HubId, device: &DeviceId, id: &str) -> Result<OpenUpload, ChangeError> {
        match self.store.upload(hub, device, id)? {
            Some(upload) if self.now < upload.expires => Ok(upload),
            Some(_) => Err(UploadError::Expired.into()),
            None => Err(correlation::explain(id, self.now).into()),
        }
    }

    fn finish(
        &mut self,
        hub: HubId,
        device: DeviceId,
        id: &str,
        found: Option<BlobProperties>,
    ) -> Result<Outcome, ChangeError> {
        let upload = self.find(hub, &device, id)?;
        self.store.delete_upload(hub, &device, id)?;
        if let Some(BlobProperties { size, modified }) = found {
            let mut file = FileNotification {
                id: 0,
                device,
                blob_uri: upload.blob_uri.into(),
                blob_name: upload.blob_name.into(),
                last_updated: modified,
                size,
                enqueued: self.now,
            };
            file.id = self.store.insert_file_notification(hub, &file)?;
            self.effects.push(Effect::C2d(C2dEffect::FileReported(hub, file)));
        }
        Ok(Outcome::Done)
    }
}
