//! A segment file as the executor reads and writes it, by direct IO where the filesystem has it.

use std::io;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use glommio::GlommioError;
use glommio::io::{BufferedFile, DmaBuffer, DmaFile, OpenOptions};
use ringhub_core::log::{BLOCK_BYTES, FilePosition};

/// Whether the page cache is bypassed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// Direct IO.
    Direct,
    /// Through the page cache: the filesystem has no direct IO. Commits are synced all the same.
    Buffered,
}

/// Memory that a commit is built in.
#[derive(Debug)]
pub(super) enum CommitBuffer {
    Direct(DmaBuffer),
    Buffered(Vec<u8>),
}

impl CommitBuffer {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Direct(buffer) => buffer.as_bytes(),
            Self::Buffered(buffer) => buffer,
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Direct(buffer) => buffer.as_bytes_mut(),
            Self::Buffered(buffer) => buffer,
        }
    }

    pub(super) fn share(self) -> SharedBuffer {
        match self {
            Self::Direct(buffer) => SharedBuffer::Direct(Rc::new(buffer)),
            Self::Buffered(buffer) => SharedBuffer::Buffered(Rc::new(buffer)),
        }
    }
}

/// A built commit, which the kernel reads while the executor may too.
#[derive(Clone, Debug)]
pub(super) enum SharedBuffer {
    Direct(Rc<DmaBuffer>),
    Buffered(Rc<Vec<u8>>),
}

impl SharedBuffer {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Direct(buffer) => buffer.as_bytes(),
            Self::Buffered(buffer) => buffer,
        }
    }
}

/// An open segment file.
pub(super) enum SegmentFile {
    Direct(DmaFile),
    Buffered(BufferedFile),
}

impl SegmentFile {
    /// Makes an empty file, replacing any.
    pub(super) async fn create(path: &Path, mode: IoMode) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Self::open_as(&options, path, mode).await
    }

    /// Opens a file for reading, and for cutting its tail off.
    pub(super) async fn open(path: &Path, mode: IoMode) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        Self::open_as(&options, path, mode).await
    }

    async fn open_as(options: &OpenOptions, path: &Path, mode: IoMode) -> io::Result<Self> {
        match mode {
            IoMode::Direct => Ok(Self::Direct(options.dma_open(path).await?)),
            IoMode::Buffered => Ok(Self::Buffered(options.buffered_open(path).await?)),
        }
    }

    pub(super) fn allocate(&self, len: usize) -> CommitBuffer {
        match self {
            Self::Direct(file) => CommitBuffer::Direct(file.alloc_dma_buffer(len)),
            Self::Buffered(_) => CommitBuffer::Buffered(vec![0; len]),
        }
    }

    /// Writes all of `buffer`, whose length and place are multiples of the block. A short write is an error.
    pub(super) async fn write(&self, buffer: SharedBuffer, at: FilePosition) -> io::Result<()> {
        let len = buffer.bytes().len();
        let written = match (self, buffer) {
            (Self::Direct(file), SharedBuffer::Direct(buffer)) => {
                file.write_rc_at(buffer, at.0).await?
            }
            (Self::Buffered(file), buffer) => file.write_at(buffer.bytes().to_vec(), at.0).await?,
            (Self::Direct(_), SharedBuffer::Buffered(_)) => {
                unreachable!("a buffer comes from `allocate` of the file it is written to")
            }
        };
        if written == len { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    pub(super) async fn sync(&self) -> io::Result<()> {
        match self {
            Self::Direct(file) => Ok(file.fdatasync().await?),
            Self::Buffered(file) => Ok(file.fdatasync().await?),
        }
    }

    /// Reads up to `len` bytes from any place, less only at the end of the file.
    pub(super) async fn read(&self, at: FilePosition, len: usize) -> io::Result<Bytes> {
        let block = BLOCK_BYTES as u64;
        let start = at.0 / block * block;
        let end = (at.0 + len as u64).next_multiple_of(block);
        let mut out = Vec::with_capacity(len);
        let mut position = start;
        while position < end {
            let wanted = usize::try_from(end - position).map_err(io::Error::other)?;
            let read = match self {
                Self::Direct(file) => file.read_at_aligned(position, wanted).await,
                Self::Buffered(file) => file.read_at(position, wanted).await,
            };
            let read = read.map_err(|e: GlommioError<()>| io::Error::from(e))?;
            let skip = usize::try_from(at.0.saturating_sub(position)).map_err(io::Error::other)?;
            let take = read.get(skip.min(read.len())..).unwrap_or_default();
            out.extend_from_slice(&take[..take.len().min(len - out.len())]);
            position += read.len() as u64;
            if read.is_empty() || !read.len().is_multiple_of(BLOCK_BYTES) {
                break;
            }
        }
        Ok(out.into())
    }

    pub(super) async fn truncate(&self, len: FilePosition) -> io::Result<()> {
        match self {
            Self::Direct(file) => Ok(file.truncate(len.0).await?),
            Self::Buffered(file) => Ok(file.truncate(len.0).await?),
        }
    }

    pub(super) async fn close(self) -> io::Result<()> {
        match self {
            Self::Direct(file) => Ok(file.close().await?),
            Self::Buffered(file) => Ok(file.close().await?),
        }
    }
}
