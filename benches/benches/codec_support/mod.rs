//! Many short runs, their spread, and a count of allocations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

use ringhub_benches::{quartiles, report};

/// Short runs per measurement.
pub(crate) const RUNS: usize = 501;
/// Calls per run: a run takes about a tenth of a millisecond, so that most meet no interruption.
const CALLS: u64 = 1000;
/// A byte that no sample holds.
const ABSENT: u8 = 0xfe;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system allocator unchanged; counting touches only a
// thread-local without destructor. Safe code cannot be an allocator.
#[expect(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the place came from the same allocator.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread during `work`.
pub(crate) fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Nanoseconds per call of each run of one measurement.
pub(crate) struct Costs {
    name: &'static str,
    runs: Vec<f64>,
}

impl Costs {
    /// Starts a measurement; room for all runs is taken now.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, runs: Vec::with_capacity(RUNS) }
    }

    /// Times one run of `calls` calls.
    pub(crate) fn time(&mut self, calls: u64, run: impl FnOnce()) {
        self.runs.push(time(calls, run));
    }

    /// Prints best, median and quartiles.
    pub(crate) fn print(self, allocations: usize) {
        let best = self.runs.iter().copied().fold(f64::INFINITY, f64::min);
        let (low, median, high) = quartiles(self.runs);
        println!(
            "{:>24}  median {median:9.2}  quartiles {low:9.2} to {high:9.2}  best {best:.2}, \
             {allocations} allocations a run",
            self.name
        );
    }
}

/// Nanoseconds per call of a run.
fn time(calls: u64, run: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    run();
    begin.elapsed().as_secs_f64() * 1e9 / calls as f64
}

/// Times `call` alone.
pub(crate) fn measure(name: &'static str, mut call: impl FnMut()) -> Costs {
    let mut costs = Costs::new(name);
    for _ in 0..RUNS {
        costs.time(CALLS, || (0..CALLS).for_each(|_| call()));
    }
    costs
}

/// Times `call` on `sample` beside a byte-by-byte search through it.
///
/// # Panics
/// If `call` allocates.
pub(crate) fn compare(name: &str, target_ns: f64, sample: &[u8], call: impl Fn(&[u8])) {
    call(sample);
    let allocated = allocations(|| call(sample));
    assert_eq!(allocated, 0, "{name} allocates");
    println!("{name}: {} bytes, ns per message, no allocation", sample.len());
    let run =
        |call: &dyn Fn(&[u8])| time(CALLS, || (0..CALLS).for_each(|_| call(black_box(sample))));
    let pairs: Vec<_> = (0..RUNS).map(|_| (run(&call), run(&search))).collect();
    report("to typed parts", "search for a byte", &pairs);
    let (_, median, _) = quartiles(pairs.iter().map(|pair| pair.0).collect());
    let verdict = if median <= target_ns { "met" } else { "MISSED" };
    println!("{:>24}  at most {target_ns} ns: {verdict}", "target");
}

/// Looks for a byte that is not there.
fn search(bytes: &[u8]) {
    assert_eq!(black_box(bytes.iter().position(|byte| *byte == ABSENT)), None);
}
