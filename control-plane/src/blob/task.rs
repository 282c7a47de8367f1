//! Requests that are answered in one step.

use http::StatusCode;
use ringhub_core::storage::{ContainerName, parse_block_list};

use super::headers::BlobHeaders;
use super::index::Place;
use super::operation::{Operation, is_head};
use super::outgoing::Outgoing;
use super::thread::Store;
use super::{BlobNews, BlobRequest, BlobSink, StorageError, answer, list, list_xml};
use crate::api::Response;
use crate::clock;
use crate::file_upload::BlobProperties;

/// Who waits for a blob to be found.
type Found = Box<dyn FnOnce(Result<BlobProperties, StorageError>) + Send>;

/// What is done in one step.
pub(super) enum Task {
    Request(Box<BlobRequest>, BlobSink),
    Find(Place, Found),
}

impl Task {
    pub(super) fn run(self, store: &Store) {
        match self {
            Self::Request(request, sink) if is_head(&request.request) => {
                head(&request, store, &sink);
            }
            Self::Request(request, sink) => match answer(&request, store) {
                Ok(response) => sink.tell(BlobNews::Done(response)),
                Err(error) => store.refuse(&sink, &error),
            },
            Self::Find(place, done) => {
                let found = store.index().blob(&place).and_then(|blob| {
                    let row = blob.ok_or(StorageError::BlobNotFound)?;
                    Ok(BlobProperties { size: row.size, modified: row.modified })
                });
                done(found);
            }
        }
    }
}

/// The head of an answer; no body is asked for.
fn head(request: &BlobRequest, store: &Store, sink: &BlobSink) {
    let found = match request.operation {
        Operation::ReadBlob => {
            Outgoing::open(request, store).map(|(_, response, length)| (response, length))
        }
        _ => answer(request, store).map(|response| (response, 0)),
    };
    match found {
        Ok((response, length)) => sink.tell(BlobNews::Found(response, length)),
        Err(error) => store.refuse(sink, &error),
    }
}

fn answer(request: &BlobRequest, store: &Store) -> Result<Response, StorageError> {
    let hub = request.hub;
    let container = || request.target.container.as_ref().ok_or(StorageError::Unsupported);
    match &request.operation {
        Operation::ListContainers(page) => {
            let found = list::containers(&store.index(), hub, page)?;
            Ok(answer::xml(list_xml::containers(&request.endpoint, page, &found)))
        }
        Operation::CreateContainer => {
            let headers = request.metadata()?;
            let now = clock::now();
            let made = store.index_for(hub)?.create_container(hub, container()?, &headers, now)?;
            Ok(answer::made(made.etag, made.modified))
        }
        Operation::ShowContainer => {
            let name = container()?;
            make_if_own(request, name, store)?;
            let row = store.index().container(hub, name)?;
            let row = row.ok_or(StorageError::ContainerNotFound)?;
            Ok(answer::container(row.etag, row.modified, &row.headers))
        }
        Operation::DeleteContainer => {
            let freed = store.index().delete_container(hub, container()?)?;
            store.free(freed);
            Ok(answer::empty(StatusCode::ACCEPTED))
        }
        Operation::ListBlobs(page) => {
            let name = container()?;
            make_if_own(request, name, store)?;
            let found = list::blobs(&store.index(), (hub, name), page)?;
            Ok(answer::xml(list_xml::blobs(&request.endpoint, name, page, &found)))
        }
        Operation::PutBlockList => put_block_list(request, store),
        Operation::ShowBlockList => {
            let lists = store.index().block_lists(&request.place()?)?;
            Ok(answer::xml(list_xml::blocks(&lists)))
        }
        Operation::DeleteBlob => {
            let freed = store.index().delete_blob(&request.place()?, &request.conditions)?;
            store.free(freed);
            Ok(answer::empty(StatusCode::ACCEPTED))
        }
        Operation::PutBlob | Operation::PutBlock(_) | Operation::ReadBlob => {
            Err(StorageError::Unsupported)
        }
    }
}

/// Makes the container that uploads go to.
fn make_if_own(
    request: &BlobRequest,
    name: &ContainerName,
    store: &Store,
) -> Result<(), StorageError> {
    if !request.makes_container {
        return Ok(());
    }
    store.index_for(request.hub)?.ensure_container(request.hub, name, clock::now())
}

fn put_block_list(request: &BlobRequest, store: &Store) -> Result<Response, StorageError> {
    let malformed = ringhub_core::storage::InvalidBlockList::Malformed;
    let text = std::str::from_utf8(request.body()).map_err(|_| malformed)?;
    let list = parse_block_list(text)?;
    let new = request.new_blob(BlobHeaders::of_write(&request.request.headers, false)?)?;
    let written = store.index_for(request.hub)?.put_block_list(&new, &list, clock::now())?;
    store.free(written.freed);
    Ok(answer::made(written.etag, written.modified))
}
