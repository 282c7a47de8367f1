//! An upload on its way to the disk.

use std::fs::File;
use std::io::Write as _;

use ringhub_core::limits::BLOB_UNSYNCED_BYTES_MAX;

use super::files::FileId;
use super::index::{Freed, NewBlob, Written};
use super::thread::{Store, storage_error};
use super::{BlobNews, BlobSink, StorageError, answer};
use crate::clock;

/// A blob or a block whose bytes come. Until the end it is a file that nothing refers to.
pub(super) struct Incoming {
    new: NewBlob,
    /// The block that it is; `None` is a whole blob.
    block: Option<String>,
    /// Bytes that room is kept for.
    length: u64,
    written: u64,
    unsynced: u64,
    file: Option<(FileId, File)>,
    pub(super) sink: BlobSink,
}

impl Incoming {
    pub(super) fn new(new: NewBlob, block: Option<String>, length: u64, sink: BlobSink) -> Self {
        Self { new, block, length, written: 0, unsynced: 0, file: None, sink }
    }

    pub(super) fn write(&mut self, piece: &[u8], store: &Store) -> Result<(), StorageError> {
        self.write_to_file(piece, store).map_err(|error| storage_error(&error))
    }

    fn write_to_file(&mut self, piece: &[u8], store: &Store) -> std::io::Result<()> {
        let (_, file) = match &mut self.file {
            Some(file) => file,
            none => none.insert(store.files.create()?),
        };
        file.write_all(piece)?;
        self.written += piece.len() as u64;
        self.unsynced += piece.len() as u64;
        if self.unsynced >= BLOB_UNSYNCED_BYTES_MAX {
            file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Makes durable what has come, and tells the client.
    pub(super) fn finish(self, store: &Store) {
        let sink = self.sink.clone();
        if self.written != self.length {
            // The connection knows lengths; it does not finish what is not complete.
            store.refuse(&sink, &StorageError::Internal);
            return self.discard(store);
        }
        match self.store(store) {
            Ok(written) => {
                let response = answer::made(written.etag, written.modified);
                store.free(written.freed);
                sink.tell(BlobNews::Done(response));
            }
            Err(error) => {
                store.refuse(&sink, &error);
                self.discard(store);
            }
        }
    }

    fn store(&self, store: &Store) -> Result<Written, StorageError> {
        if let Some((id, file)) = &self.file {
            file.sync_all().map_err(|error| storage_error(&error))?;
            store.files.sync_folder(*id).map_err(|error| storage_error(&error))?;
        }
        let bytes = self.file.as_ref().map(|(id, _)| (*id, self.written));
        let now = clock::now();
        let mut index = store.index_for(self.new.place.hub)?;
        match (&self.block, bytes) {
            (Some(block), Some(bytes)) => {
                let freed = index.put_block(&self.new, block, bytes, now)?;
                Ok(Written { etag: 0, modified: now, freed })
            }
            _ => index.put_blob(&self.new, bytes, now),
        }
    }

    /// Forgets what has come.
    pub(super) fn discard(self, store: &Store) {
        let hub = self.new.place.hub;
        match self.file {
            Some((id, _)) => store.free(Freed::from([(id, hub, self.length)])),
            None => store.quota.release(hub, self.length),
        }
    }
}
