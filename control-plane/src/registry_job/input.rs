//! A blob that is read.

use std::io::{self, BufRead, Read};

use ringhub_core::limits::BLOB_BLOCK_BYTES;

use super::run::{Halt, Run};
use super::{BlobProperties, BlobUri};

/// Reads a blob part by part; holds one of them.
pub(super) struct BlobReader<'r> {
    run: &'r Run,
    blob: BlobUri,
    properties: BlobProperties,
    part: Vec<u8>,
    /// What of the part was used.
    used: usize,
    /// Place behind the part.
    position: u64,
}

impl<'r> BlobReader<'r> {
    /// Begins at `position`.
    pub(super) fn new(
        run: &'r Run,
        blob: BlobUri,
        properties: BlobProperties,
        position: u64,
    ) -> Self {
        Self { run, blob, properties, part: Vec::new(), used: 0, position }
    }

    fn next_part(&self) -> Result<Vec<u8>, Halt> {
        let end = self.properties.len.min(self.position + BLOB_BLOCK_BYTES as u64);
        let part = self.position..end;
        let Self { blob, properties, run, .. } = self;
        let found = run.ask(
            || format!("cannot read {blob}"),
            |storage| storage.read(blob, part.clone(), &properties.etag),
        )?;
        if found.is_empty() || found.len() as u64 > part.end - part.start {
            let text =
                format!("cannot read {blob}: the answer has another length than was asked for");
            return Err(Halt::Failed(text));
        }
        Ok(found)
    }
}

impl BufRead for BlobReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.part.len() && self.position < self.properties.len {
            self.part = self.next_part().map_err(io::Error::other)?;
            self.used = 0;
            self.position += self.part.len() as u64;
        }
        Ok(&self.part[self.used..])
    }

    fn consume(&mut self, amount: usize) {
        self.used = self.part.len().min(self.used + amount);
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl From<io::Error> for Halt {
    /// Errors of a reader are made of halts.
    fn from(error: io::Error) -> Self {
        let text = error.to_string();
        error.downcast().unwrap_or(Self::Failed(text))
    }
}
