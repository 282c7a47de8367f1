//! A file that is there as a whole or not at all, and that only its owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Readable and writable for the owner alone.
const MODE: u32 = 0o600;

/// A file under another name until it is whole. Dropping it before leaves nothing behind.
#[derive(Debug)]
pub(super) struct NewFile {
    output: BufWriter<File>,
    beside: PathBuf,
    path: PathBuf,
}

impl NewFile {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let beside = path.with_added_extension("new");
        let output = BufWriter::new(create(&beside)?);
        Ok(Self { output, beside, path: path.to_owned() })
    }

    /// Puts it in the place of what has its name, once it is on disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.flush()?;
        self.output.get_ref().sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        let directory = self.path.parent().filter(|path| !path.as_os_str().is_empty());
        File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After `finish` nothing has this name; otherwise what stays behind is only untidy.
        let _ = fs::remove_file(&self.beside);
    }
}

/// A file without a name, for what has to wait; `near` is where there should be room for it.
pub(super) fn nameless(near: &Path) -> io::Result<File> {
    let path = near.with_added_extension(format!("{}.waiting", std::process::id()));
    let file = create(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn create(path: &Path) -> io::Result<File> {
    // A file left by a crash could have another mode: it is not written into.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(path)
}
