//! The log's formats and recovery against a disk that forgets and tears whatever was not synced.
//!
//! Goal: after a crash at any instant, every acknowledged event is there, nothing that a reader
//! could see is gone, and sequence numbers have no gap. Method: a model writes commits with several
//! in flight to a faulty disk, crashes, recovers with the real machine, compares with what was
//! acknowledged, and goes on in a new segment.

mod random;

use random::Random;
use ringhub_core::id::{ExecutorId, HubId, HubPartition, PartitionId};
use ringhub_core::log::commit::{Chunk, CommitPlace, commit_len, header_len, seal};
use ringhub_core::log::index::SegmentSummary;
use ringhub_core::log::record::{NewRecord, encode_record, stamp};
use ringhub_core::log::recovery::{ScanStep, Scanned, SegmentScan, check_continues};
use ringhub_core::log::segment::{LogShape, SEGMENT_HEADER_BYTES, SegmentHeader};
use ringhub_core::log::{
    BLOCK_BYTES, Chain, CommitNumber, LogError, LogId, PartitionState, SegmentNumber, States,
};
use ringhub_core::position::EnqueuedTime;
use ringhub_core::time::UnixMillis;

const SEGMENT_BYTES: usize = 48 * BLOCK_BYTES;
const PARTITIONS: u16 = 3;
const IN_FLIGHT_MAX: usize = 4;

/// A file whose unsynced blocks are kept, lost or torn at a crash, each on its own.
struct FaultyFile {
    durable: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

impl FaultyFile {
    /// A recycled file is full of old commits, a prepared one of zeros.
    fn new(content: Vec<u8>) -> Self {
        Self { durable: content, pending: Vec::new() }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        self.pending.push((at, bytes.to_vec()));
    }

    /// Makes one write durable; others may be still under way.
    fn sync_write(&mut self, at: usize) {
        let place = self.pending.iter().position(|(start, _)| *start == at).expect("was written");
        let (start, bytes) = self.pending.remove(place);
        self.durable[start..start + bytes.len()].copy_from_slice(&bytes);
    }

    fn crash(&mut self, random: &mut Random) {
        for (start, bytes) in std::mem::take(&mut self.pending) {
            for (index, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
                let keep = match random.index(3) {
                    0 => 0,
                    1 => block.len(),
                    _ => random.index(block.len() / 512 + 1) * 512,
                };
                let at = start + index * BLOCK_BYTES;
                self.durable[at..at + keep].copy_from_slice(&block[..keep]);
            }
        }
    }
}

/// The writer: what an executor does, without threads.
struct Model {
    random: Random,
    file: FaultyFile,
    header: SegmentHeader,
    states: Vec<PartitionState>,
    next_commit: CommitNumber,
    chain: Chain,
    write_end: usize,
    in_flight: Vec<(usize, CommitNumber, bool)>,
    /// Sequence numbers of each partition that were acknowledged, by commit.
    acknowledged: Vec<u64>,
    ends: Vec<(CommitNumber, Vec<PartitionState>)>,
}

/// Partitions of two hubs.
fn place(partition: u16) -> HubPartition {
    HubPartition { hub: HubId(u32::from(partition % 2)), partition: PartitionId(partition) }
}

fn first_header() -> SegmentHeader {
    SegmentHeader {
        log: LogId([0x5a; 16]),
        shape: LogShape {
            hub: HubId(0),
            executor: ExecutorId(0),
            executor_count: 1,
            partition_count: PARTITIONS,
        },
        segment: SegmentNumber(0),
        block: BLOCK_BYTES as u32,
        first_commit: CommitNumber(0),
        chain: Chain(0),
        created: UnixMillis::from_millis(0),
        bases: States::default(),
        rewritten: None,
    }
}

impl Model {
    fn new(seed: u64) -> Self {
        let header = first_header();
        let mut model = Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            file: FaultyFile::new(vec![0; SEGMENT_BYTES]),
            states: (0..PARTITIONS).map(|p| PartitionState::new(place(p))).collect(),
            next_commit: CommitNumber(0),
            chain: Chain(0),
            write_end: 0,
            in_flight: Vec::new(),
            acknowledged: vec![0; usize::from(PARTITIONS)],
            ends: Vec::new(),
            header,
        };
        model.begin(None);
        model
    }

    /// Begins a segment in a new file, or over the old content of a recycled one.
    fn begin(&mut self, recovered: Option<&SegmentSummary>) {
        if let Some(summary) = recovered {
            let ends = self.header.ends(summary);
            self.header.segment.0 += 1;
            self.header.first_commit = summary.next_commit;
            self.header.chain = summary.next_chain;
            self.header.bases = ends.clone();
            check_continues(summary, &ends, &self.header).expect("continues what was recovered");
        }
        if self.random.index(2) == 0 {
            self.file.durable.fill(0);
        }
        self.header.encode(&mut self.file.durable[..SEGMENT_HEADER_BYTES]);
        self.states = (0..PARTITIONS).map(|p| self.header.bases.get(place(p))).collect();
        self.next_commit = self.header.first_commit;
        self.chain = self.header.chain;
        self.write_end = SEGMENT_HEADER_BYTES;
        self.in_flight.clear();
        self.ends = vec![(self.next_commit, self.states.clone())];
    }

    fn record(&mut self, partition: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let sections = vec![self.random.index(256) as u8; self.random.index(3000)];
        let record = NewRecord {
            hub: place(partition).hub,
            partition: PartitionId(partition),
            annotation_count: 0,
            annotations: &[],
            sections: &sections,
        };
        encode_record(&record, &mut bytes).expect("small");
        bytes
    }

    /// Writes one commit; false when the segment is full.
    fn write_commit(&mut self) -> bool {
        let partitions: Vec<u16> = (0..PARTITIONS).filter(|_| self.random.index(2) == 0).collect();
        if partitions.is_empty() {
            return true;
        }
        let now = UnixMillis::from_millis(self.random.index(1_000_000) as i64);
        let (mut states, mut records, mut chunks) = (self.states.clone(), Vec::new(), Vec::new());
        for partition in partitions {
            let state = &mut states[usize::from(partition)];
            let (before, start) = (*state, records.len());
            let count = 1 + self.random.index(3);
            for _ in 0..count {
                let mut record = self.record(partition);
                let len = record.len();
                stamp(&mut record, state.append(len, now)).expect("a record");
                records.extend_from_slice(&record);
            }
            let time = state.last.map_or(EnqueuedTime(now), |last| last.enqueued_time);
            chunks.push(Chunk {
                place: place(partition),
                record_count: count as u32,
                position: 0,
                len: (records.len() - start) as u32,
                first_offset: before.next_offset,
                first_sequence_number: before.next_sequence_number,
                first_enqueued: time,
                last_enqueued: time,
                checksum: 0,
            });
        }
        let mut commit = vec![0; commit_len(chunks.len(), records.len(), BLOCK_BYTES)];
        if self.write_end + commit.len() > SEGMENT_BYTES {
            return false;
        }
        let head = header_len(chunks.len());
        commit[head..head + records.len()].copy_from_slice(&records);
        let durable_before = self.in_flight.first().map_or(self.next_commit, |first| first.1);
        let place = CommitPlace {
            log: self.header.log,
            segment: self.header.segment,
            number: self.next_commit,
            chain: self.chain,
            durable_before,
        };
        self.chain = seal(&mut commit, &place, &mut chunks);
        self.file.write(self.write_end, &commit);
        self.in_flight.push((self.write_end, self.next_commit, false));
        self.write_end += commit.len();
        self.next_commit.0 += 1;
        self.states = states;
        self.ends.push((self.next_commit, self.states.clone()));
        true
    }

    /// Ends the sync of one commit in flight, whichever; acknowledges in order.
    fn sync_one(&mut self) {
        let waiting: Vec<usize> =
            (0..self.in_flight.len()).filter(|&i| !self.in_flight[i].2).collect();
        if waiting.is_empty() {
            return;
        }
        let chosen = waiting[self.random.index(waiting.len())];
        self.file.sync_write(self.in_flight[chosen].0);
        self.in_flight[chosen].2 = true;
        while let Some(&(_, number, true)) = self.in_flight.first() {
            self.in_flight.remove(0);
            let ends = self.ends.iter().find(|(next, _)| next.0 == number.0 + 1);
            let (_, ends) = ends.expect("kept for every commit");
            self.acknowledged = ends.iter().map(|end| end.next_sequence_number.0).collect();
        }
    }

    fn run_until_crash(&mut self) {
        for _ in 0..self.random.index(30) {
            let may_write = self.in_flight.len() < IN_FLIGHT_MAX && self.random.index(2) == 0;
            if !(may_write && self.write_commit()) {
                self.sync_one();
            }
        }
        self.file.crash(&mut self.random);
    }
}

fn scan(header: &SegmentHeader, file: &[u8]) -> Result<Scanned, LogError> {
    let mut scan = SegmentScan::new(header.clone());
    let mut step = scan.start();
    loop {
        match step {
            ScanStep::Done(scanned) => return Ok(*scanned),
            ScanStep::Read { position, len } => {
                let start = usize::try_from(position.0).expect("small").min(file.len());
                step = scan.feed(&file[start..file.len().min(start + len)])?;
            }
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_over_thousands_of_crashes() {
    for seed in 1..=400 {
        let mut model = Model::new(seed);
        for crash in 0..10 {
            model.run_until_crash();
            let header = SegmentHeader::decode(&model.file.durable).expect("synced before use");
            let found = scan(&header, &model.file.durable);
            let scanned = found.unwrap_or_else(|e| panic!("seed {seed}, crash {crash}: {e}"));
            let written = model.ends.iter().find(|(next, _)| *next == scanned.summary.next_commit);
            let (_, ends) = written.expect("recovery ends after a commit that was written");
            let expected: States = ends.iter().copied().collect();
            assert_eq!(header.ends(&scanned.summary), expected, "seed {seed}, crash {crash}");
            for (end, acknowledged) in ends.iter().zip(&model.acknowledged) {
                let recovered = end.next_sequence_number.0;
                assert!(recovered >= *acknowledged, "seed {seed}, crash {crash}: lost events");
            }
            model.begin(Some(&scanned.summary));
        }
    }
}

/// A segment with some commits, all acknowledged one by one.
fn filled(seed: u64) -> Model {
    let mut model = Model::new(seed);
    for _ in 0..12 {
        model.write_commit();
        model.sync_one();
    }
    model
}

#[test]
fn damage_before_a_later_commit_is_refused_not_cut() {
    for seed in 1..=50 {
        let mut model = filled(seed);
        let intact = scan(&model.header, &model.file.durable).expect("intact");
        assert_eq!(intact.summary.next_commit, model.next_commit);
        model.file.durable[SEGMENT_HEADER_BYTES + 100] ^= 1;
        let refused = scan(&model.header, &model.file.durable).expect_err("damaged");
        let at = model.header.data_start();
        let (segment, commit) = (SegmentNumber(0), CommitNumber(0));
        assert_eq!(refused, LogError::LostCommit { segment, commit, at }, "seed {seed}");
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    let model = filled(3);
    let intact = scan(&model.header, &model.file.durable).expect("intact");
    let end = usize::try_from(intact.summary.data_end.0).expect("small");
    let mut random = Random(77);
    for _ in 0..500 {
        let mut damaged = model.file.durable.clone();
        let position = SEGMENT_HEADER_BYTES + random.index(end - SEGMENT_HEADER_BYTES);
        damaged[position] ^= 1 << random.index(8);
        let is_padding = model.file.durable[position] == 0;
        match scan(&model.header, &damaged) {
            Err(LogError::LostCommit { .. }) => {}
            Ok(scanned) if scanned.summary.next_commit < intact.summary.next_commit => {}
            Ok(scanned) => assert!(is_padding && scanned == intact, "byte {position}"),
            Err(other) => panic!("byte {position}: {other}"),
        }
    }
}

#[test]
fn a_segment_that_lost_its_end_is_refused_by_the_next() {
    let model = filled(5);
    let whole = scan(&model.header, &model.file.durable).expect("intact").summary;
    let mut next = model.header.clone();
    next.segment.0 += 1;
    next.first_commit = whole.next_commit;
    next.chain = whole.next_chain;
    next.bases = model.header.ends(&whole);
    let ends = next.bases.clone();
    assert_eq!(check_continues(&whole, &ends, &next), Ok(()));

    let cut = &model.file.durable[..usize::try_from(whole.data_end.0).expect("small") - 1];
    let short = scan(&model.header, cut).expect("ends early").summary;
    assert!(matches!(check_continues(&short, &ends, &next), Err(LogError::LostCommit { .. })));
    next.segment.0 += 1;
    assert_eq!(check_continues(&whole, &ends, &next), Err(LogError::Gap(next.segment)));
}
