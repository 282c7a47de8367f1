//! The open readers of an executor and their questions.
//!
//! A reader has at most one read under way. It is answered from the tail if that reaches back far
//! enough, from the segments by a task of its own otherwise, or parked until the next commit of its
//! partition.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use ringhub_core::id::{ConnectionId, ConsumerGroup, HubId, HubPartition};
use ringhub_core::limits::{READER_RESTS_MAX, SHARED_READERS_MAX};
use ringhub_core::reader::{BeyondEnd, ClaimRefused, Displaced, Ownership, Selector, StartAt};

use super::catch_up::{Wanted, catch_up, is_retained};
use super::counters::ReaderCounters;
use super::executor::Executor;
use super::selection::Selected;
use super::status::LogState;
use super::walk::Resume;
use super::{
    PartitionDescription, PartitionReply, PartitionRequest, ReadRefused, ReaderId, ReplyBody,
    RequestBody,
};
use crate::shard::mailbox::Mail;

/// Where an answer goes.
#[derive(Clone, Copy, Debug)]
struct Asker {
    connection: ConnectionId,
    token: u64,
}

#[derive(Debug)]
struct Reader {
    place: HubPartition,
    group: ConsumerGroup,
    start: StartAt,
    /// Where `start` is in the segments, if the last records came from there.
    resume: Option<Resume>,
    opened_by: Asker,
    pending: Option<Pending>,
    /// Who wants to know when the reader is at the end of its partition.
    end_asked: Option<Asker>,
    counters: Arc<ReaderCounters>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    asker: Asker,
    bytes_max: usize,
    catching_up: bool,
}

/// All readers of one executor.
#[derive(Debug, Default)]
pub(super) struct Readers {
    next: u64,
    readers: HashMap<ReaderId, Reader>,
    owners: HashMap<(HubPartition, ConsumerGroup), Ownership<ReaderId>>,
    parked: HashMap<HubPartition, Vec<ReaderId>>,
    /// Those that keep records they have read, the one served longest ago first.
    with_rest: VecDeque<ReaderId>,
}

impl Readers {
    fn remove(&mut self, id: ReaderId) -> Option<Reader> {
        let reader = self.readers.remove(&id)?;
        if let Some(parked) = self.parked.get_mut(&reader.place) {
            parked.retain(|other| *other != id);
        }
        self.with_rest.retain(|other| *other != id);
        Some(reader)
    }

    /// Has the reader go on after `selected`; returns who waits for that and which partition it is.
    fn advance(&mut self, id: ReaderId, selected: &Selected) -> Option<(HubPartition, Asker)> {
        let reader = self.readers.get_mut(&id)?;
        reader.start = StartAt::Offset(selected.next);
        reader.counters.next_offset.set(selected.next.0);
        reader.resume.clone_from(&selected.resume);
        let answered = reader.pending.take().map(|pending| (reader.place, pending.asker));
        self.with_rest.retain(|other| *other != id);
        if selected.resume.as_ref().is_some_and(Resume::has_rest) {
            self.with_rest.push_back(id);
        }
        if self.with_rest.len() > READER_RESTS_MAX {
            let oldest = self.with_rest.pop_front();
            if let Some(reader) = oldest.and_then(|oldest| self.readers.get_mut(&oldest)) {
                reader.resume = None;
            }
        }
        answered
    }

    /// What the reader wants, if it waits for an answer. Its resume position goes with it.
    fn take_wanted(&mut self, id: ReaderId) -> Option<Wanted> {
        let reader = self.readers.get_mut(&id)?;
        let Reader { place, start, pending, resume, .. } = reader;
        let bytes_max = pending.as_ref()?.bytes_max;
        Some(Wanted { place: *place, start: *start, bytes_max, resume: resume.take() })
    }

    /// Lets the read of a reader, if it has one, wait for the next commit; tells who wants to know.
    fn park(&mut self, id: ReaderId) -> Option<Asker> {
        let reader = self.readers.get_mut(&id).filter(|reader| reader.pending.is_some())?;
        self.parked.entry(reader.place).or_default().push(id);
        reader.end_asked.take()
    }

    /// True when the read of the reader waits for the next commit.
    fn is_parked(&self, id: ReaderId) -> bool {
        let place = self.readers.get(&id).map(|reader| reader.place);
        let parked = place.and_then(|place| self.parked.get(&place));
        parked.is_some_and(|parked| parked.contains(&id))
    }

    fn close(&mut self, id: ReaderId) {
        let Some(reader) = self.remove(id) else { return };
        let key = (reader.place, reader.group);
        if let Some(ownership) = self.owners.get_mut(&key) {
            ownership.release(id);
            if ownership.is_empty() {
                self.owners.remove(&key);
            }
        }
    }
}

/// Wish of a client to read.
struct Opening {
    group: ConsumerGroup,
    selector: Selector,
    epoch: Option<i64>,
    name: Option<String>,
}

/// Answers requests for the life of the executor.
pub(super) async fn answer_requests(
    executor: Rc<Executor>,
    requests: flume::Receiver<PartitionRequest>,
) {
    while let Ok(request) = requests.recv_async().await {
        handle(&executor, request);
        glommio::yield_if_needed().await;
    }
}

fn handle(executor: &Rc<Executor>, request: PartitionRequest) {
    let asker = Asker { connection: request.connection, token: request.token };
    let place = request.place();
    let exists = executor.hubs.borrow().has(place);
    match request.body {
        RequestBody::Close { reader } => executor.readers.borrow_mut().close(reader),
        _ if !exists => refuse(executor, asker, ReadRefused::UnknownPartition),
        RequestBody::Open { .. } | RequestBody::Read { .. } if has_failed(executor) => {
            refuse(executor, asker, failure(executor));
        }
        RequestBody::Describe => {
            let described = ReplyBody::Described(describe(executor, place));
            post(executor, asker, described);
        }
        RequestBody::Open { group, selector, epoch, name } => {
            let opening = Opening { group, selector, epoch, name };
            match open(executor, asker, place, opening) {
                Ok(reader) => post(executor, asker, ReplyBody::Opened(reader)),
                Err(refused) => refuse(executor, asker, refused),
            }
        }
        RequestBody::Read { reader, .. } if reader.place() != place => {
            refuse(executor, asker, ReadRefused::UnknownReader);
        }
        RequestBody::Read { reader, bytes_max } => {
            let pending = Pending { asker, bytes_max, catching_up: false };
            match executor.readers.borrow_mut().readers.get_mut(&reader) {
                Some(reader) if reader.pending.is_none() => reader.pending = Some(pending),
                _ => return refuse(executor, asker, ReadRefused::UnknownReader),
            }
            serve(executor, reader);
        }
        RequestBody::AwaitEnd { reader } => await_end(executor, asker, reader),
    }
}

fn await_end(executor: &Executor, asker: Asker, id: ReaderId) {
    let mut readers = executor.readers.borrow_mut();
    if readers.is_parked(id) {
        post(executor, asker, ReplyBody::AtEnd);
    } else if let Some(reader) = readers.readers.get_mut(&id) {
        reader.end_asked = Some(asker);
    }
}

fn park(executor: &Executor, id: ReaderId) {
    let asker = executor.readers.borrow_mut().park(id);
    if let Some(asker) = asker {
        post(executor, asker, ReplyBody::AtEnd);
    }
}

fn has_failed(executor: &Executor) -> bool {
    executor.status.state() == LogState::Failed
}

fn failure(executor: &Executor) -> ReadRefused {
    ReadRefused::Damaged(executor.status.failure().unwrap_or_default().to_owned())
}

/// Answers every read that is under way after the log has failed.
pub(super) fn refuse_pending(executor: &Executor) {
    let pending: Vec<Asker> = {
        let mut readers = executor.readers.borrow_mut();
        readers.parked.clear();
        let pending = readers.readers.values_mut().filter_map(|reader| reader.pending.take());
        pending.map(|pending| pending.asker).collect()
    };
    for asker in pending {
        refuse(executor, asker, failure(executor));
    }
}

fn open(
    executor: &Executor,
    asker: Asker,
    place: HubPartition,
    opening: Opening,
) -> Result<ReaderId, ReadRefused> {
    let (start, end) = {
        let state = executor.hubs.borrow().committed(place);
        let last = state.last;
        let start = StartAt::resolve(opening.selector, &state).map_err(|beyond| match beyond {
            BeyondEnd::Offset(supplied) => {
                ReadRefused::OffsetBeyondEnd { supplied, last: last.map(|last| last.offset) }
            }
            BeyondEnd::SequenceNumber(supplied) => ReadRefused::SequenceNumberBeyondEnd {
                supplied,
                last: last.map(|last| last.sequence_number),
            },
        })?;
        (start, state.next_offset)
    };
    let mut readers = executor.readers.borrow_mut();
    let HubPartition { hub, partition } = place;
    let id = ReaderId { hub, partition, number: readers.next };
    let owners = readers.owners.entry((place, opening.group.clone())).or_default();
    let displaced = owners.claim(id, opening.epoch).map_err(refusal)?;
    readers.next += 1;
    for Displaced(displaced) in displaced {
        let Some(reader) = readers.remove(displaced) else { continue };
        let (epoch, by) = (opening.epoch.unwrap_or_default(), opening.name.clone());
        post(executor, reader.opened_by, ReplyBody::Stolen { reader: displaced, epoch, by });
    }
    let group = opening.group;
    let at = if let StartAt::Offset(offset) = start { offset } else { end };
    let counters = executor.counters.add_reader(place, group.clone(), at.0);
    let reader = Reader {
        place,
        group,
        start,
        resume: None,
        opened_by: asker,
        pending: None,
        end_asked: None,
        counters,
    };
    readers.readers.insert(id, reader);
    Ok(id)
}

/// Ends every reader of a hub that is gone, and tells who opened it.
pub(super) fn end_readers_of(executor: &Executor, hub: HubId) {
    let ended: Vec<Asker> = {
        let mut readers = executor.readers.borrow_mut();
        let of_hub = |id: &&ReaderId| id.hub == hub;
        let ids: Vec<ReaderId> = readers.readers.keys().filter(of_hub).copied().collect();
        let opened_by = |id: &ReaderId| readers.readers.get(id).map(|reader| reader.opened_by);
        let askers = ids.iter().filter_map(opened_by).collect();
        ids.into_iter().for_each(|id| readers.close(id));
        askers
    };
    for asker in ended {
        refuse(executor, asker, ReadRefused::UnknownPartition);
    }
}

fn refusal(refused: ClaimRefused) -> ReadRefused {
    match refused {
        ClaimRefused::LowerEpoch { holder } => ReadRefused::LowerEpoch { holder },
        ClaimRefused::EpochHeld { holder } => ReadRefused::EpochHeld { holder },
        ClaimRefused::TooManyReaders => ReadRefused::TooManyReaders(SHARED_READERS_MAX),
    }
}

/// Serves everybody who waits for `place`.
pub(super) fn serve_parked(executor: &Rc<Executor>, place: HubPartition) {
    let parked = executor.readers.borrow_mut().parked.remove(&place);
    for reader in parked.into_iter().flatten() {
        serve(executor, reader);
    }
}

/// Answers the read that is under way, now or later.
fn serve(executor: &Rc<Executor>, id: ReaderId) {
    let (place, start, bytes_max) = {
        let (mut readers, hubs) = (executor.readers.borrow_mut(), executor.hubs.borrow());
        let Some(reader) = readers.readers.get_mut(&id) else { return };
        let Some(pending) = reader.pending.filter(|pending| !pending.catching_up) else { return };
        reader.start = reader.start.not_before(&hubs.oldest(reader.place));
        (reader.place, reader.start, pending.bytes_max)
    };
    if start.is_after(&executor.hubs.borrow().committed(place)) {
        return park(executor, id);
    }
    let selected = take_rest(executor, id, start, bytes_max)
        .or_else(|| executor.tail.borrow().select(place, start, bytes_max));
    match selected {
        Some(selected) => answer(executor, id, selected),
        None => start_catch_up(executor, id),
    }
}

/// Records that were read for the answer before this one. A reader whose segment has expired has
/// none, and is brought to the oldest one by its position.
fn take_rest(
    executor: &Executor,
    id: ReaderId,
    start: StartAt,
    bytes_max: usize,
) -> Option<Selected> {
    let mut readers = executor.readers.borrow_mut();
    let resume = &mut readers.readers.get_mut(&id)?.resume;
    if resume.as_ref().is_some_and(|resume| !is_retained(executor, resume.file.segment)) {
        *resume = None;
    }
    resume.take_if(|resume| resume.has_rest())?.take(start, bytes_max)
}

/// Reads from the segments in the queue of low shares, so that ingest does not wait for it.
fn start_catch_up(executor: &Rc<Executor>, id: ReaderId) {
    set_catching_up(executor, id, true);
    executor.counters.catch_ups.add(1);
    let task = read_segments(Rc::clone(executor), id);
    match glommio::spawn_local_into(task, executor.catch_up_queue) {
        Ok(task) => drop(task.detach()),
        Err(error) => give_up(executor, id, error.to_string()),
    }
}

async fn read_segments(executor: Rc<Executor>, id: ReaderId) {
    let wanted = executor.readers.borrow_mut().take_wanted(id);
    let Some(wanted) = wanted else { return };
    let place = wanted.place;
    let before = executor.hubs.borrow().committed(place);
    let found = catch_up(&executor, &wanted).await;
    set_catching_up(&executor, id, false);
    match found {
        Ok(Some(selected)) => answer(&executor, id, selected),
        Err(damage) => give_up(&executor, id, damage),
        Ok(None) if before != executor.hubs.borrow().committed(place) => serve(&executor, id),
        Ok(None) => park(&executor, id),
    }
}

fn set_catching_up(executor: &Executor, id: ReaderId, catching_up: bool) {
    let mut readers = executor.readers.borrow_mut();
    let reader = readers.readers.get_mut(&id);
    if let Some(pending) = reader.and_then(|reader| reader.pending.as_mut()) {
        pending.catching_up = catching_up;
    }
}

fn answer(executor: &Executor, id: ReaderId, selected: Selected) {
    let answered = executor.readers.borrow_mut().advance(id, &selected);
    let Some((place, asker)) = answered else { return };
    let partition = describe(executor, place);
    let answered = executor.config.clock.now();
    let records = selected.records;
    post(executor, asker, ReplyBody::Records { records, partition, answered });
}

fn give_up(executor: &Executor, id: ReaderId, damage: String) {
    let pending = {
        let mut readers = executor.readers.borrow_mut();
        readers.readers.get_mut(&id).and_then(|reader| reader.pending.take())
    };
    if let Some(pending) = pending {
        refuse(executor, pending.asker, ReadRefused::Damaged(damage));
    }
}

fn describe(executor: &Executor, place: HubPartition) -> PartitionDescription {
    let hubs = executor.hubs.borrow();
    let (oldest, committed) = (hubs.oldest(place), hubs.committed(place));
    let last = committed.last;
    PartitionDescription {
        begin_sequence_number: oldest.next_sequence_number,
        last: last.map(|last| (last.sequence_number, last.offset, last.enqueued_time)),
        is_empty: oldest.next_sequence_number == committed.next_sequence_number,
    }
}

fn refuse(executor: &Executor, asker: Asker, refused: ReadRefused) {
    post(executor, asker, ReplyBody::Refused(refused));
}

fn post(executor: &Executor, asker: Asker, body: ReplyBody) {
    let Asker { connection, token } = asker;
    if let Some(shard) = executor.shards.get(usize::from(connection.shard.0)) {
        shard.post(Mail::Partition(PartitionReply { connection, token, body }));
    }
}
