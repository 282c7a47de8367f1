//! The least that an acknowledgement from disk takes: one thread that writes what has come since it
//! wrote last, and syncs.
//!
//! Writes are direct and overwrite zeros, as those of the hub. Nobody reads the file; it begins
//! anew once it is full.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::OFlags;

/// Length of the file.
const FILE_BYTES: usize = 64 * 1024 * 1024;
/// Longest single write.
const PIECE_BYTES: usize = 1024 * 1024;
/// Places, lengths and memory of direct writes are multiples of it.
const BLOCK_BYTES: usize = 4096;
/// Position that stands for a write that failed.
const FAILED: u64 = u64::MAX;

/// The log could not be written.
pub(super) struct Failed;

/// The log of one thread, which also owns the clients.
pub(super) struct Log {
    intake: Arc<Intake>,
    /// Clients whose messages are not on disk yet, in the order of their positions.
    waiting: RefCell<VecDeque<(u64, Waker)>>,
}

/// What clients hand to the writer. It is bounded by the number of clients: each waits for its
/// commit before it is read again.
#[derive(Default)]
struct Intake {
    messages: Mutex<Messages>,
    arrived: Condvar,
    committed: AtomicU64,
}

#[derive(Default)]
struct Messages {
    bytes: Vec<u8>,
    /// Bytes of all messages that ever came.
    position: u64,
}

impl Log {
    /// Fills the file with zeros and starts the writer; on a thread of a monoio runtime, which has
    /// to be the only one that uses this.
    ///
    /// # Errors
    /// When the file cannot be made, or not be written directly.
    pub(super) fn start(path: &Path) -> io::Result<Rc<Self>> {
        let direct = OFlags::DIRECT.bits().cast_signed();
        let mut options = OpenOptions::new();
        let file =
            options.create(true).truncate(true).write(true).custom_flags(direct).open(path)?;
        let mut writer = Writer { file, memory: vec![0; PIECE_BYTES + BLOCK_BYTES], at: 0 };
        for _ in 0..FILE_BYTES / PIECE_BYTES {
            writer.write(&[0; PIECE_BYTES])?;
        }
        writer.file.sync_all()?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC)?;
        let intake = Arc::new(Intake::default());
        let log = Rc::new(Self { intake: Arc::clone(&intake), waiting: RefCell::default() });
        let heard = monoio::fs::File::from_std(File::from(bell.try_clone()?))?;
        monoio::spawn(Rc::clone(&log).hear_bell(heard));
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            if let Err(error) = intake.commit(writer, &bell) {
                eprintln!("ringhub-loadgen: the log cannot be written: {error}");
                intake.committed.store(FAILED, Ordering::Release);
                ring(&bell);
            }
        })?;
        Ok(log)
    }

    /// Takes a message in; gives the position that [`committed`](Self::committed) waits for.
    pub(super) fn append(&self, message: &[u8]) -> u64 {
        let mut messages = self.intake.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.bytes.extend_from_slice(message);
        messages.position += message.len() as u64;
        self.intake.arrived.notify_one();
        messages.position
    }

    /// Waits until everything up to `position` is on disk.
    pub(super) async fn committed(&self, position: u64) -> Result<(), Failed> {
        let mut is_queued = false;
        poll_fn(|cx| match self.intake.committed.load(Ordering::Acquire) {
            FAILED => Poll::Ready(Err(Failed)),
            committed if committed >= position => Poll::Ready(Ok(())),
            _ => {
                if !is_queued {
                    is_queued = true;
                    self.waiting.borrow_mut().push_back((position, cx.waker().clone()));
                }
                Poll::Pending
            }
        })
        .await
    }

    async fn hear_bell(self: Rc<Self>, bell: monoio::fs::File) {
        let mut count = vec![0_u8; 8];
        loop {
            let (heard, buffer) = bell.read_at(count, u64::MAX).await;
            count = buffer;
            let committed = self.intake.committed.load(Ordering::Acquire);
            let mut waiting = self.waiting.borrow_mut();
            while let Some((_, waker)) = waiting.pop_front_if(|(first, _)| *first <= committed) {
                waker.wake();
            }
            if heard.is_err() {
                return;
            }
        }
    }
}

impl Intake {
    /// Writes and syncs for as long as that works.
    fn commit(&self, mut writer: Writer, bell: &OwnedFd) -> io::Result<()> {
        let mut batch = Vec::new();
        loop {
            let position = self.take(&mut batch);
            for piece in batch.chunks(PIECE_BYTES) {
                writer.write(piece)?;
            }
            writer.file.sync_data()?;
            self.committed.store(position, Ordering::Release);
            ring(bell);
        }
    }

    /// Waits for messages and takes all that are there.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        batch.clear();
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |messages: &mut Messages| messages.bytes.is_empty();
        let messages = self.arrived.wait_while(messages, is_idle);
        let mut messages = messages.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(batch, &mut messages.bytes);
        messages.position
    }
}

/// Wakes the thread of the clients.
fn ring(bell: &OwnedFd) {
    // It fails only when the count is full, and then the bell rings already.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

struct Writer {
    file: File,
    /// Room for a piece, wherever its first whole block is.
    memory: Vec<u8>,
    at: usize,
}

impl Writer {
    /// Writes a piece, filled up to whole blocks with zeros.
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let start = self.memory.as_ptr().align_offset(BLOCK_BYTES);
        let len = piece.len().next_multiple_of(BLOCK_BYTES);
        let blocks = &mut self.memory[start..start + len];
        blocks[..piece.len()].copy_from_slice(piece);
        blocks[piece.len()..].fill(0);
        if self.at + len > FILE_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(blocks, self.at as u64)?;
        self.at += len;
        Ok(())
    }
}
