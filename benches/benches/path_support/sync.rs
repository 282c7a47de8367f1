//! What the disk takes for one small durable write, without anything around it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const BLOCK: [u8; 4096] = [0x5a; 4096];
const BLOCKS: u64 = 256;

/// Times of `count` overwrites of a block, each with its `fdatasync`, in `dir`.
pub(crate) fn write_and_sync(dir: &Path, count: u64) -> io::Result<Vec<Duration>> {
    let path = dir.join("sync");
    std::fs::write(&path, vec![0; BLOCK.len() * BLOCKS as usize])?;
    let file = File::options().write(true).open(&path)?;
    file.sync_all()?;
    let times = (0..count).map(|number| {
        let begin = Instant::now();
        file.write_all_at(&BLOCK, number % BLOCKS * BLOCK.len() as u64)?;
        file.sync_data()?;
        Ok(begin.elapsed())
    });
    let times = times.collect();
    std::fs::remove_file(&path)?;
    times
}
