//! Telemetry at a rate, alone or beside a conversation, and what it costs.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::pace::{Turn, Window, paced};
use super::threads::{cpu_of, cpu_of_this};
use crate::path_support::hub::Hub;
use crate::path_support::publisher::Publisher;

const PAYLOAD: [u8; 256] = [0x5a; 256];
/// Messages in a segment of a publisher.
pub(crate) const PER_SEGMENT: usize = 20;
/// Time between two operations of a lane.
const LANE_INTERVAL: Duration = Duration::from_millis(10);
/// From now until everybody is ready to begin.
const LEAD: Duration = Duration::from_millis(20);

/// Something that is done a hundred times a second.
pub(crate) type Lane = Box<dyn FnMut() -> io::Result<()> + Send>;

/// All who talk to the hub.
pub(crate) struct Load<'h> {
    pub(crate) hub: &'h Hub,
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) lanes: Vec<Lane>,
}

/// What one run has shown.
pub(crate) struct Run {
    /// Microseconds from due to acknowledged, of every message.
    pub(crate) latency: Histogram<u64>,
    /// Microseconds from due to handed to the kernel, of every segment: the generator's part.
    pub(crate) lag: Histogram<u64>,
    /// Messages acknowledged per second, up to the last of them.
    pub(crate) rate: f64,
    pub(crate) cores: Cores,
}

/// Processor time per second of the clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cores {
    pub(crate) hub: f64,
    /// Clients that publish.
    pub(crate) publishers: f64,
    /// Clients that call, answer and report.
    pub(crate) conversation: f64,
}

impl Load<'_> {
    /// Publishes `rate` messages a second for so long; with `talks`, beside the lanes.
    pub(crate) fn run(&mut self, rate: f64, time: Duration, talks: bool) -> io::Result<Run> {
        let segments = rate / (self.publishers.len() * PER_SEGMENT) as f64;
        let interval = Duration::from_secs_f64(1.0 / segments);
        let window = Window { begin: Instant::now() + LEAD, time };
        let (hub, clients) = (cpu_of(self.hub.process_id()), cpu_of(std::process::id()));
        let lanes = if talks { &mut self.lanes[..] } else { &mut [] };
        let (publishers, count) = (self.publishers.len(), lanes.len());
        let (all, talking) = thread::scope(|scope| {
            let turns = (0..).map(|number| Turn { number, of: count });
            let lanes = lanes.iter_mut().zip(turns).map(|(lane, turn)| {
                scope.spawn(move || {
                    let done = paced(window, LANE_INTERVAL, turn, |_| lane());
                    done.map(|()| cpu_of_this())
                })
            });
            let lanes: Vec<_> = lanes.collect();
            let turns = (0..).map(|number| Turn { number, of: publishers });
            let all = self.publishers.iter_mut().zip(turns).map(|(publisher, turn)| {
                scope.spawn(move || publish(publisher, window, interval, turn))
            });
            let all: Vec<_> = all.collect();
            let all = all.into_iter().map(|one| one.join().expect("no panic"));
            let all = all.collect::<io::Result<Vec<Published>>>()?;
            let talking = lanes.into_iter().map(|lane| lane.join().expect("no panic"));
            io::Result::Ok((all, talking.sum::<io::Result<Duration>>()?))
        })?;
        let mut run = Run::of(&all, window.begin);
        let seconds = (LEAD + window.begin.elapsed()).as_secs_f64();
        // Threads that have ended meanwhile are not among those of their process any more.
        let of_hub = cpu_of(self.hub.process_id()).saturating_sub(hub);
        run.cores.hub = of_hub.as_secs_f64() / seconds;
        run.cores.publishers = all.iter().map(|one| one.cpu.as_secs_f64()).sum::<f64>() / seconds;
        let answering = cpu_of(std::process::id()).saturating_sub(clients);
        run.cores.conversation = (talking + answering).as_secs_f64() / seconds;
        Ok(run)
    }

    /// The highest rate at which the load keeps up, within an eighth.
    pub(crate) fn highest_rate(&mut self) -> io::Result<f64> {
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut rate = 16_000.0;
        while high - low > low / 8.0 {
            if self.keeps_up(rate)? {
                low = rate;
            } else {
                high = rate;
            }
            rate = if high.is_infinite() { 2.0 * low } else { (low + high) / 2.0 };
        }
        Ok(low)
    }

    /// One of two runs is enough: it is the machine that keeps up or not, and it has other work.
    fn keeps_up(&mut self, rate: f64) -> io::Result<bool> {
        for _ in 0..2 {
            let run = self.run(rate, Duration::from_secs(1), false)?;
            let p99 = Duration::from_micros(run.latency.value_at_quantile(0.99));
            println!("{rate:>10.0} offered, {:.0} acknowledged, p99 {p99:?}", run.rate);
            if p99 < Duration::from_millis(10) && run.rate > 0.98 * rate {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What one publisher has seen.
struct Published {
    latency: Histogram<u64>,
    lag: Histogram<u64>,
    end: Instant,
    cpu: Duration,
}

fn publish(
    publisher: &mut Publisher,
    window: Window,
    interval: Duration,
    turn: Turn,
) -> io::Result<Published> {
    let (mut latency, mut lag) = (histogram(), histogram());
    paced(window, interval, turn, |due| {
        publisher.publish(&PAYLOAD, PER_SEGMENT)?;
        record(&mut lag, due, 1);
        while publisher.inflight() > 0 {
            let acknowledged = publisher.receive()?;
            record(&mut latency, due, acknowledged);
        }
        Ok(())
    })?;
    Ok(Published { latency, lag, end: Instant::now(), cpu: cpu_of_this() })
}

fn record(times: &mut Histogram<u64>, due: Instant, count: usize) {
    let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
    times.record_n(micros, count as u64).expect("the histogram grows");
}

pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are permitted")
}

impl Run {
    fn of(all: &[Published], begin: Instant) -> Self {
        let (mut latency, mut lag) = (histogram(), histogram());
        for one in all {
            latency.add(&one.latency).expect("histograms of one kind");
            lag.add(&one.lag).expect("histograms of one kind");
        }
        let end = all.iter().map(|one| one.end).max().unwrap_or(begin);
        let rate = latency.len() as f64 / (end - begin).as_secs_f64();
        Self { latency, lag, rate, cores: Cores::default() }
    }
}
