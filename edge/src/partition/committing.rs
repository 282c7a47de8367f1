//! The way of a batch to the disk, and what happens once it is there.

use std::io;
use std::rc::Rc;

use tracing::info;

use super::appender::{Built, Durable};
use super::batch::Batch;
use super::counters::ExecutorCounters;
use super::executor::{Executor, wall_clock};
use super::open::{sync_dir, write_index};
use super::prepare::Prepared;
use super::readers;
use super::status::LogState;
use ringhub_core::log::FilePosition;
use ringhub_core::log::commit::Chunk;
use ringhub_core::log::segment::segment_file_name;

impl Executor {
    /// Builds a commit of `batch`, starts its write and gives the room in the rings back.
    pub(super) async fn commit(self: &Rc<Self>, batch: &mut Batch) -> io::Result<()> {
        if !self.make_room(batch).await? {
            return Ok(());
        }
        let built = {
            let mut rings = self.rings.borrow_mut();
            let mut hubs = self.hubs.borrow_mut();
            let built = self.appender.borrow_mut().build(batch, &rings, &mut hubs, wall_clock());
            for (ring, upto) in rings.iter_mut().zip(&batch.upto) {
                if let Some(upto) = upto {
                    ring.release(*upto);
                }
            }
            built.ok_or_else(|| io::Error::other("no segment is open"))?
        };
        batch.clear();
        glommio::spawn_local(write_and_sync(Rc::clone(self), built)).detach();
        Ok(())
    }

    /// Makes sure that the active segment has zeros where the commit goes. False if the log failed
    /// meanwhile.
    async fn make_room(&self, batch: &Batch) -> io::Result<bool> {
        loop {
            if self.status.state() == LogState::Failed {
                return Ok(false);
            }
            if self.status.state() == LogState::DiskFull && self.status.is_stopping() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let (end, zeroed) = {
                let appender = self.appender.borrow();
                let zeroed = appender.active.as_ref().map_or(0, |active| active.zeroed.get());
                (appender.end_after(batch), zeroed)
            };
            match end {
                Some(end) if end <= zeroed => return Ok(true),
                Some(end) if end <= self.config.segment_bytes => self.sleep(None).await,
                _ => self.switch_segment().await?,
            }
        }
    }

    /// Seals the active segment and begins the next once all commits are durable and its file is
    /// prepared.
    async fn switch_segment(&self) -> io::Result<()> {
        while self.appender.borrow().in_flight_len() > 0 {
            if self.status.state() == LogState::Failed {
                return Ok(());
            }
            self.sleep(None).await;
        }
        let bases = self.hubs.borrow().states();
        let header = self.appender.borrow().next_header(bases, wall_clock());
        let has_room = |file: &Prepared| file.zeroed.get() >= header.data_start().0;
        let prepared = self.prepared.borrow_mut().take_if(|prepared| has_room(prepared));
        let Some(prepared) = prepared else {
            self.sleep(None).await;
            return Ok(());
        };
        self.seal_active().await?;
        // A recycled file has an old header there.
        let mut buffer = prepared.file.allocate(header.data_start().0 as usize);
        header.encode(buffer.bytes_mut());
        prepared.file.write(buffer.share(), FilePosition(0)).await?;
        prepared.file.sync().await?;
        self.counters.syncs.add(1);
        let (dir, from) = (self.dir.clone(), prepared.path);
        let name = segment_file_name(header.segment);
        let renamed = glommio::executor().spawn_blocking(move || {
            std::fs::rename(&from, dir.join(name))?;
            sync_dir(&dir)
        });
        renamed.await?;
        info!(segment = header.segment.0, "segment begun");
        self.appender.borrow_mut().begin_segment(header, prepared.file, prepared.zeroed);
        self.note_log();
        let _ = self.take_prepared.try_send(());
        Ok(())
    }

    /// Ends the active segment, if there is one, and writes its index. Nothing is in flight.
    pub(super) async fn seal_active(&self) -> io::Result<()> {
        let ended = self.appender.borrow_mut().end_segment();
        let Some((sealed, file)) = ended else { return Ok(()) };
        if !self.hubs.borrow().gone().is_empty() {
            self.want_purge();
        }
        if self.status.is_stopping() {
            // The next start begins a new segment: the zeros behind the data are of no more use.
            file.truncate(sealed.summary.data_end).await?;
            file.sync().await?;
        }
        let dir = self.dir.clone();
        glommio::executor().spawn_blocking(move || write_index(&dir, &sealed.summary)).await;
        Ok(())
    }

    /// Reports every commit that has become durable, in order.
    fn on_synced(self: &Rc<Self>) {
        loop {
            let durable = self.appender.borrow_mut().poll_durable(&mut self.hubs.borrow_mut());
            match durable {
                Ok(Some(durable)) => self.on_durable(&durable),
                Ok(None) => break,
                Err(error) => {
                    if self.status.state() != LogState::Failed {
                        self.fail(format!("a commit could not be written: {error}"));
                    }
                    break;
                }
            }
        }
        self.status.wake();
    }

    /// Acknowledgements first, then the tail and whoever waits for it. Counted is before: who has
    /// seen the acknowledgement finds what it is about in the numbers.
    fn on_durable(self: &Rc<Self>, durable: &Durable) {
        self.note_durable(durable);
        let now = self.config.clock.now();
        let mut rings = self.rings.borrow_mut();
        for (shard, upto) in durable.rings.iter().enumerate() {
            if let Some(upto) = upto {
                self.marks[shard].note_durable(now);
                rings[shard].set_committed(*upto);
                self.shards[shard].doorbell().ring();
            }
        }
        drop(rings);
        let chunks = self.chunks_to_read(durable);
        let mut tail = self.tail.borrow_mut();
        tail.push(&durable.buffer, &chunks);
        self.counters.tail_bytes.set(tail.memory() as u64);
        drop(tail);
        for chunk in &chunks {
            readers::serve_parked(self, chunk.place);
        }
    }

    /// The chunks of a commit whose hubs are still there; records of the others were under way when
    /// they were removed, and are to be taken out of the log again.
    fn chunks_to_read(&self, durable: &Durable) -> Vec<Chunk> {
        let hubs = self.hubs.borrow();
        let mut chunks = durable.head.chunks.clone();
        chunks.retain(|chunk| hubs.has(chunk.place));
        if chunks.len() < durable.head.chunks.len() {
            self.want_purge();
        }
        chunks
    }
}

async fn write_and_sync(executor: Rc<Executor>, built: Built) {
    let number = built.number;
    let outcome = {
        let slot = executor.write_slots.acquire_permit(1).await;
        match slot {
            Ok(_slot) if executor.status.state() != LogState::Failed => {
                write_built(built, &executor.counters).await
            }
            Ok(_) => Err(io::Error::other("a commit before this one has failed")),
            Err(error) => Err(io::Error::from(error)),
        }
    };
    executor.appender.borrow_mut().synced(number, outcome);
    executor.on_synced();
}

async fn write_built(built: Built, counters: &ExecutorCounters) -> io::Result<()> {
    let written = built.file.write(built.buffer, built.at).await;
    let outcome = match written {
        Ok(_) => built.file.sync().await,
        Err(error) => Err(error),
    };
    let counter = if outcome.is_ok() { &counters.syncs } else { &counters.failures };
    counter.add(1);
    outcome
}
