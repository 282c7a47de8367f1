//! A blob that is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringhub_core::limits::{BLOB_BLOCK_BYTES, BLOB_BLOCKS_MAX};

use super::BlobUri;
use super::run::{Halt, Run};

/// Collects a block, sends it, and lists all of them at the end: until then, the blob is what it
/// was. Holds one block.
pub(super) struct BlobWriter<'r> {
    run: &'r Run,
    blob: BlobUri,
    block: Vec<u8>,
    ids: Vec<String>,
}

impl<'r> BlobWriter<'r> {
    pub(super) fn new(run: &'r Run, blob: BlobUri) -> Self {
        Self { run, blob, block: Vec::new(), ids: Vec::new() }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Halt> {
        while !bytes.is_empty() {
            let room = BLOB_BLOCK_BYTES - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOB_BLOCK_BYTES {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Puts what was written in place of the blob.
    pub(super) fn finish(mut self) -> Result<(), Halt> {
        if !self.block.is_empty() {
            self.send()?;
        }
        // What was cancelled shall not appear.
        self.run.progress()?;
        let Self { blob, ids, .. } = &self;
        self.run.ask(|| format!("cannot write {blob}"), |storage| storage.put_block_list(blob, ids))
    }

    fn send(&mut self) -> Result<(), Halt> {
        if self.ids.len() == BLOB_BLOCKS_MAX {
            let text = format!("{} would have more than {BLOB_BLOCKS_MAX} blocks", self.blob);
            return Err(Halt::Failed(text));
        }
        // Those of another job have other names, so that neither can take the other's.
        let name = format!("{:016x}{:016x}", self.run.number().0, self.ids.len());
        let id = STANDARD.encode(name);
        let Self { blob, block, .. } = &*self;
        self.run.ask(
            || format!("cannot write {blob}"),
            |storage| storage.put_block(blob, &id, block),
        )?;
        self.block.clear();
        self.ids.push(id);
        Ok(())
    }
}
