//! A segment file as the executor reads and writes it, by direct IO where the filesystem has it.

use std::io;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use glommio::GlommioError;
use glommio::io::{BufferedFile, DmaBuffer, DmaFile, OpenOptions};
use ringhub_core::log::{BLOCK_BYTES, FilePosition};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// Whether the page cache is bypassed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// Direct IO.
    Direct,
    /// Through the page cache: the filesystem has no direct IO. Commits are synced all the same.
    Buffered,
}

/// What the files of a directory are read and written by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Medium {
    pub(super) mode: IoMode,
    /// Places and lengths of writes are multiples of it: [`BLOCK_BYTES`], or the device's block if
    /// that is larger.
    pub(super) block: usize,
}

impl Medium {
    pub(super) const BUFFERED: Self = Self { mode: IoMode::Buffered, block: BLOCK_BYTES };

    /// Direct IO to a device with blocks of `alignment` bytes.
    ///
    /// # Errors
    /// A text that says why direct IO is not possible.
    fn direct(alignment: u64) -> Result<Self, String> {
        let device = usize::try_from(alignment).unwrap_or(usize::MAX);
        if !device.is_power_of_two() || device > DEVICE_BLOCK_BYTES_MAX {
            return Err(format!(
                "the device has blocks of {alignment} bytes, direct IO is written for powers of two up to \
                 {DEVICE_BLOCK_BYTES_MAX}"
            ));
        }
        Ok(Self { mode: IoMode::Direct, block: device.max(BLOCK_BYTES) })
    }

    /// What direct IO to the file at `path`, which has data, takes.
    ///
    /// # Errors
    /// A text that says why direct IO is not possible.
    pub(super) async fn of_direct_file(path: &Path) -> Result<Self, String> {
        let file = OpenOptions::new().read(true).write(true).dma_open(path).await;
        let file = file.map_err(|error| error.to_string())?;
        let of_device = file.alignment();
        file.close().await.map_err(|error| error.to_string())?;
        let stat = statx(CWD, path, AtFlags::empty(), StatxFlags::DIOALIGN);
        // Zero where the kernel does not know; glommio asks the device.
        let of_file = stat.map_or(0, |stat| stat.stx_dio_offset_align);
        Self::direct(of_device.max(u64::from(of_file)))
    }
}

/// Largest block of a device that commits are padded to: beyond it, lone messages would cost more
/// room than a disk has to spare. Larger: the log goes through the page cache.
const DEVICE_BLOCK_BYTES_MAX: usize = 64 * 1024;

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
pub(super) struct SegmentFile {
    io: FileIo,
    block: usize,
}

enum FileIo {
    Direct(DmaFile),
    Buffered(BufferedFile),
}

impl SegmentFile {
    /// Opens a file for reading and writing, or makes an empty one.
    pub(super) async fn open_or_create(path: &Path, medium: Medium) -> io::Result<Self> {
        Self::open_as(OpenOptions::new().read(true).write(true).create(true), path, medium).await
    }

    /// Opens a file for reading, and for cutting its tail off.
    pub(super) async fn open(path: &Path, medium: Medium) -> io::Result<Self> {
        Self::open_as(OpenOptions::new().read(true).write(true), path, medium).await
    }

    async fn open_as(options: &OpenOptions, path: &Path, medium: Medium) -> io::Result<Self> {
        let io = match medium.mode {
            IoMode::Direct => FileIo::Direct(options.dma_open(path).await?),
            IoMode::Buffered => FileIo::Buffered(options.buffered_open(path).await?),
        };
        Ok(Self { io, block: medium.block })
    }

    pub(super) async fn len(&self) -> io::Result<u64> {
        match &self.io {
            FileIo::Direct(file) => Ok(file.file_size().await?),
            FileIo::Buffered(file) => Ok(file.file_size().await?),
        }
    }

    pub(super) fn allocate(&self, len: usize) -> CommitBuffer {
        match &self.io {
            FileIo::Direct(file) => CommitBuffer::Direct(file.alloc_dma_buffer(len)),
            FileIo::Buffered(_) => CommitBuffer::Buffered(vec![0; len]),
        }
    }

    /// Writes all of `buffer`, whose length and place are multiples of the block. A short write is
    /// an error.
    pub(super) async fn write(&self, buffer: SharedBuffer, at: FilePosition) -> io::Result<()> {
        let len = buffer.bytes().len();
        let written = match (&self.io, buffer) {
            (FileIo::Direct(file), SharedBuffer::Direct(buffer)) => {
                file.write_rc_at(buffer, at.0).await?
            }
            (FileIo::Buffered(file), buffer) => {
                file.write_at(buffer.bytes().to_vec(), at.0).await?
            }
            (FileIo::Direct(_), SharedBuffer::Buffered(_)) => {
                unreachable!("a buffer comes from `allocate` of the file it is written to")
            }
        };
        if written == len { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    pub(super) async fn sync(&self) -> io::Result<()> {
        match &self.io {
            FileIo::Direct(file) => Ok(file.fdatasync().await?),
            FileIo::Buffered(file) => Ok(file.fdatasync().await?),
        }
    }

    /// Reads up to `len` bytes from any place, less only at the end of the file.
    pub(super) async fn read(&self, at: FilePosition, len: usize) -> io::Result<Bytes> {
        self.read_behind(Vec::with_capacity(len), at, len).await
    }

    /// As [`read`](Self::read), behind what is in `out` already.
    pub(super) async fn read_behind(
        &self,
        mut out: Vec<u8>,
        at: FilePosition,
        len: usize,
    ) -> io::Result<Bytes> {
        let full = out.len() + len;
        let block = self.block as u64;
        let start = at.0 / block * block;
        let end = (at.0 + len as u64).next_multiple_of(block);
        let mut position = start;
        while position < end {
            let wanted = usize::try_from(end - position).map_err(io::Error::other)?;
            let read = match &self.io {
                FileIo::Direct(file) => file.read_at_aligned(position, wanted).await,
                FileIo::Buffered(file) => file.read_at(position, wanted).await,
            };
            let read = read.map_err(|e: GlommioError<()>| io::Error::from(e))?;
            let skip = usize::try_from(at.0.saturating_sub(position)).map_err(io::Error::other)?;
            let take = read.get(skip.min(read.len())..).unwrap_or_default();
            out.extend_from_slice(&take[..take.len().min(full - out.len())]);
            position += read.len() as u64;
            if read.is_empty() || !read.len().is_multiple_of(self.block) {
                break;
            }
        }
        Ok(out.into())
    }

    pub(super) async fn truncate(&self, len: FilePosition) -> io::Result<()> {
        match &self.io {
            FileIo::Direct(file) => Ok(file.truncate(len.0).await?),
            FileIo::Buffered(file) => Ok(file.truncate(len.0).await?),
        }
    }

    pub(super) async fn close(self) -> io::Result<()> {
        match self.io {
            FileIo::Direct(file) => Ok(file.close().await?),
            FileIo::Buffered(file) => Ok(file.close().await?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_to_the_larger_of_a_page_and_the_block_of_the_device() {
        for (alignment, block) in [(512, 4096), (4096, 4096), (16_384, 16_384), (65_536, 65_536)] {
            let expected = Medium { mode: IoMode::Direct, block };
            assert_eq!(Medium::direct(alignment), Ok(expected));
        }
        for alignment in [0, 5000, 131_072] {
            let refused = Medium::direct(alignment).expect_err("refused");
            assert!(refused.contains(&alignment.to_string()), "{refused}");
        }
    }
}
