//! The storage accounts that the hubs of this process have, as jobs use them: whatever a container
//! is called by, it is reached without a name, a certificate or a connection.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Uri};

use super::{AccountClient, BlobExchange, BlobProperties, BlobStorage, BlobUri, StorageError};
use crate::api::Request as ApiRequest;
use crate::blob::BlobService;
use crate::directory::{Directory, Hub};

/// Storage accounts of hubs of this process, and the way to all others.
#[derive(Debug)]
pub(crate) struct OwnAccounts {
    directory: Arc<Directory>,
    blobs: Arc<BlobService>,
    elsewhere: Arc<dyn BlobStorage>,
}

impl OwnAccounts {
    pub(crate) fn new(
        directory: &Arc<Directory>,
        blobs: &Arc<BlobService>,
        elsewhere: &Arc<dyn BlobStorage>,
    ) -> Self {
        let (directory, blobs) = (Arc::clone(directory), Arc::clone(blobs));
        Self { directory, blobs, elsewhere: Arc::clone(elsewhere) }
    }

    /// Gives `work` the account of `blob`.
    fn with_account<T>(&self, blob: &BlobUri, work: impl FnOnce(&dyn BlobStorage) -> T) -> T {
        match self.own(blob) {
            Some(own) => work(&AccountClient(own)),
            None => work(&*self.elsewhere),
        }
    }

    /// The account of a hub. The name alone does not tell: another process on the machine may
    /// call its hub the same, on another port. The signature does.
    fn own(&self, blob: &BlobUri) -> Option<OwnAccount<'_>> {
        let uri: Uri = blob.as_str().parse().ok()?;
        let hub = self.directory.hub_by_host(uri.authority()?.as_str())?;
        let is_own = self.blobs.has_signed(&hub, uri.path_and_query()?.as_str());
        is_own.then_some(OwnAccount { hub, blobs: &self.blobs })
    }
}

impl BlobStorage for OwnAccounts {
    fn properties(&self, blob: &BlobUri) -> Result<BlobProperties, StorageError> {
        self.with_account(blob, |account| account.properties(blob))
    }

    fn read(&self, blob: &BlobUri, part: Range<u64>, etag: &str) -> Result<Vec<u8>, StorageError> {
        self.with_account(blob, |account| account.read(blob, part, etag))
    }

    fn put_block(&self, blob: &BlobUri, id: &str, content: &[u8]) -> Result<(), StorageError> {
        self.with_account(blob, |account| account.put_block(blob, id, content))
    }

    fn put_block_list(&self, blob: &BlobUri, ids: &[String]) -> Result<(), StorageError> {
        self.with_account(blob, |account| account.put_block_list(blob, ids))
    }
}

/// The account of one hub.
#[derive(Debug)]
struct OwnAccount<'a> {
    hub: Arc<Hub>,
    blobs: &'a BlobService,
}

impl BlobExchange for OwnAccount<'_> {
    fn exchange(
        &self,
        request: Request<&[u8]>,
        body_bytes_max: u64,
    ) -> Result<Response<Vec<u8>>, StorageError> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().ok_or_else(StorageError::unusable_uri)?;
        let request = ApiRequest {
            method: head.method,
            path_and_query: target.as_str().to_owned(),
            headers: head.headers,
            properties: Vec::new(),
            body: Bytes::copy_from_slice(body),
        };
        let answer = self.blobs.answer(&self.hub, request, body_bytes_max);
        let answer = answer.map_err(|_| StorageError {
            reason: "the hub's own storage does not answer".to_owned(),
            is_passing: true,
        })?;
        let mut response = Response::new(answer.body.into());
        (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
        Ok(response)
    }
}
