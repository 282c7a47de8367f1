//! The worker processes of a run, and what they bring home.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::gate::{News, now_nanos};
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::share::Share;
use crate::tally::Tally;

/// How often signals are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often progress is shown.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// From the word to the beginning, so that the last worker hears it in time.
const HEAD_START: Duration = Duration::from_millis(50);

/// What a worker said, or that it says no more.
type Said = (usize, Option<News>);

/// One worker process; dropping it ends it.
struct Worker {
    process: Child,
    /// Opens gates; its end stops the worker.
    input: Option<ChildStdin>,
    is_waiting: bool,
    counted: Tally,
    outcome: Option<Outcome>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails only when it has ended by itself, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All workers.
pub(crate) struct Crew {
    workers: Vec<Worker>,
    news: Receiver<Said>,
    start: Instant,
}

impl Crew {
    /// Starts so many workers with the arguments of this process.
    pub(crate) fn start(count: u32) -> Result<Self, Error> {
        let (sender, news) = mpsc::channel();
        let workers = (0..count).map(|index| start_worker(Share { index, count }, &sender));
        Ok(Self { workers: workers.collect::<Result<_, _>>()?, news, start: Instant::now() })
    }

    /// Opens the gates and shows progress until all are done.
    pub(crate) fn lead(
        &mut self,
        stop: &AtomicBool,
        observer: &mut Observer,
    ) -> Result<Vec<Outcome>, Error> {
        observer.follow(self.workers.iter().map(|worker| worker.process.id()));
        let mut shown = Instant::now();
        while self.workers.iter().any(|worker| worker.outcome.is_none()) {
            match self.news.recv_timeout(TICK) {
                Ok((_, Some(News::Heard(heard)))) => observer.hear(&heard),
                Ok((index, news)) => self.hear(index, news)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if stop.load(Ordering::Relaxed) {
                self.workers.iter_mut().for_each(|worker| worker.input = None);
            } else if self.all_wait() && !observer.is_held() {
                observer.look();
                self.open_gate();
            }
            if shown.elapsed() >= SHOW_INTERVAL {
                shown = Instant::now();
                self.show(observer);
            }
        }
        Ok(self.workers.iter_mut().filter_map(|worker| worker.outcome.take()).collect())
    }

    fn hear(&mut self, index: usize, news: Option<News>) -> Result<(), Error> {
        let worker = &mut self.workers[index];
        let fault = |reason| Err(Error::Worker { index, reason });
        match news {
            Some(News::Waiting) => worker.is_waiting = true,
            Some(News::Counted(tally)) => worker.counted = *tally,
            Some(News::Done(outcome)) => {
                worker.counted = outcome.tally.clone();
                worker.outcome = Some(*outcome);
            }
            Some(News::Failed(reason)) => return fault(reason),
            None if worker.outcome.is_none() => {
                let status = worker.process.wait()?;
                return fault(format!("it ended in the middle ({status}); `dmesg` may say why"));
            }
            Some(News::Heard(_)) | None => {}
        }
        Ok(())
    }

    fn all_wait(&self) -> bool {
        let mut busy = self.workers.iter().filter(|worker| worker.outcome.is_none()).peekable();
        busy.peek().is_some() && busy.all(|worker| worker.is_waiting)
    }

    fn open_gate(&mut self) {
        let at = now_nanos() + u64::try_from(HEAD_START.as_nanos()).unwrap_or(0);
        for worker in &mut self.workers {
            worker.is_waiting = false;
            if let Some(input) = &mut worker.input {
                // A worker that is gone is heard of through its output.
                let _ = writeln!(input, "{at}");
            }
        }
    }

    fn show(&self, observer: &mut Observer) {
        let mut sum = Tally::default();
        self.workers.iter().for_each(|worker| sum.add(&worker.counted));
        observer.note(self.start.elapsed(), &sum);
    }
}

fn start_worker(share: Share, news: &Sender<Said>) -> Result<Worker, Error> {
    let index = share.index as usize;
    let failed = |error: std::io::Error| Error::Worker { index, reason: error.to_string() };
    let mut process = Command::new(env::current_exe().map_err(failed)?)
        .args(env::args_os().skip(1))
        .arg(format!("--share={share}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (input, output) = (process.stdin.take(), process.stdout.take());
    if let Some(output) = output {
        listen(index, output, news.clone());
    }
    let counted = Tally::default();
    Ok(Worker { process, input, is_waiting: false, counted, outcome: None })
}

/// Passes on what a worker says, on a thread that ends with the worker's output.
fn listen(index: usize, output: ChildStdout, news: Sender<Said>) {
    thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        for said in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            // Nobody listens any more when the run has failed, and then the worker ends too.
            let _ = news.send((index, Some(said)));
        }
        let _ = news.send((index, None));
    });
}
