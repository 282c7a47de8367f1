//! A blob on its way to a client.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use bytes::Bytes;
use http::HeaderMap;
use http::header::RANGE;
use ringhub_core::limits::BLOB_PIECE_BYTES;

use super::index::Part;
use super::thread::Store;
use super::{BlobNews, BlobRequest, BlobSink, StorageError, answer};
use crate::api::Response;

/// The part of a blob that a client reads.
pub(super) struct Outgoing {
    parts: std::vec::IntoIter<Part>,
    /// Bytes at the front of the next parts that are not asked for.
    skip: u64,
    left: u64,
    file: Option<io::Take<File>>,
    sink: Option<BlobSink>,
}

impl Outgoing {
    /// Finds a blob. Returns also the head of the answer and the length of its body.
    pub(super) fn open(
        request: &BlobRequest,
        store: &Store,
    ) -> Result<(Self, Response, u64), StorageError> {
        let place = request.place()?;
        let index = store.index();
        let row = index.blob(&place)?.ok_or(StorageError::BlobNotFound)?;
        request.conditions.check_read(row.etag)?;
        let range = range(&request.request.headers, row.size)?;
        let parts = index.parts(row.id)?.into_iter();
        drop(index);
        let (start, length) = range.unwrap_or((0, row.size));
        let outgoing = Self { parts, skip: start, left: length, file: None, sink: None };
        Ok((outgoing, answer::blob(&row, range), length))
    }

    pub(super) fn with_sink(self, sink: BlobSink) -> Self {
        Self { sink: Some(sink), ..self }
    }

    pub(super) fn tell(&self, news: BlobNews) {
        if let Some(sink) = &self.sink {
            sink.tell(news);
        }
    }

    /// The next bytes: at least one, while some are left.
    pub(super) fn next(&mut self, store: &Store) -> io::Result<Bytes> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(BLOB_PIECE_BYTES);
        let mut piece = Vec::with_capacity(want);
        while piece.len() < want {
            let rest = (want - piece.len()) as u64;
            match &mut self.file {
                Some(file) => {
                    if file.by_ref().take(rest).read_to_end(&mut piece)? == 0 {
                        if file.limit() > 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        self.file = None;
                    }
                }
                None => self.file = Some(self.next_file(store)?),
            }
        }
        self.left -= piece.len() as u64;
        Ok(piece.into())
    }

    fn next_file(&mut self, store: &Store) -> io::Result<io::Take<File>> {
        loop {
            let part = self.parts.next().ok_or(io::ErrorKind::UnexpectedEof)?;
            if self.skip >= part.size {
                self.skip -= part.size;
                continue;
            }
            let mut file = store.files.open_to_read(part.file)?;
            let skip = std::mem::take(&mut self.skip);
            file.seek(SeekFrom::Start(skip))?;
            return Ok(file.take(part.size - skip));
        }
    }
}

/// Start and length of the range that is asked for; `None` for the whole. A range that cannot be
/// read is passed over, as HTTP wants it.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, StorageError> {
    let text = headers.get("x-ms-range").or_else(|| headers.get(RANGE));
    let text =
        text.and_then(|text| text.to_str().ok()).and_then(|t| t.trim().strip_prefix("bytes="));
    let Some((first, last)) = text.and_then(|text| text.split_once('-')) else { return Ok(None) };
    let Ok(first) = first.parse::<u64>() else { return Ok(None) };
    let last = match last {
        "" => u64::MAX,
        last => match last.parse() {
            Ok(last) if last >= first => last,
            _ => return Ok(None),
        },
    };
    if first >= size {
        return Err(StorageError::Range(size));
    }
    Ok(Some((first, last.min(size - 1) - first + 1)))
}
