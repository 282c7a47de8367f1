//! The files with the bytes of blobs.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Folders, so that none has more entries than a file system likes.
const FOLDERS: u64 = 256;

/// Names one file. Never given twice in one run, and after a start only once the index has
/// forgotten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId(pub(super) u64);

/// All files, by their numbers.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    next: AtomicU64,
}

impl Files {
    /// Makes the folders, and removes what is not among the `known`: uploads that a crash has cut
    /// short.
    pub(super) fn open(root: &Path, known: &HashSet<FileId>) -> io::Result<Self> {
        let mut removed = 0;
        for folder in 0..FOLDERS {
            let folder = root.join(format!("{folder:02x}"));
            fs::create_dir_all(&folder)?;
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let name = path.file_name().and_then(|name| name.to_str());
                let id = name.and_then(|name| u64::from_str_radix(name, 16).ok()).map(FileId);
                if id.is_none_or(|id| !known.contains(&id)) {
                    fs::remove_file(&path)?;
                    removed += 1;
                }
            }
        }
        File::open(root)?.sync_all()?;
        if removed > 0 {
            tracing::info!(files = removed, "uploads that were not finished are removed");
        }
        let last = known.iter().max().map_or(0, |id| id.0);
        Ok(Self { root: root.to_owned(), next: AtomicU64::new(last + 1) })
    }

    /// Makes an empty file.
    pub(super) fn create(&self) -> io::Result<(FileId, File)> {
        let id = FileId(self.next.fetch_add(1, Relaxed));
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(self.path(id))?;
        Ok((id, file))
    }

    /// Opens a file to be read.
    pub(super) fn open_to_read(&self, id: FileId) -> io::Result<File> {
        File::open(self.path(id))
    }

    /// Makes durable that `id` is there under its name.
    pub(super) fn sync_folder(&self, id: FileId) -> io::Result<()> {
        File::open(self.folder(id))?.sync_all()
    }

    /// Removes a file; one that stays is removed by the next start.
    pub(super) fn remove(&self, id: FileId) {
        if let Err(error) = fs::remove_file(self.path(id)) {
            tracing::warn!(file = id.0, %error, "a file of a blob could not be removed");
        }
    }

    fn folder(&self, FileId(id): FileId) -> PathBuf {
        self.root.join(format!("{:02x}", id % FOLDERS))
    }

    fn path(&self, id: FileId) -> PathBuf {
        self.folder(id).join(format!("{:016x}", id.0))
    }
}
