//! The worker processes of a run, and what they bring home.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
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

/// What workers have said and nobody has heard yet. When there is more, those who say it wait.
const NEWS_MAX: usize = 1024;

/// What a worker said, or that it says no more.
type Said = (usize, Option<News>);

/// What a worker has counted: the newest alone, because it holds all that came before. So a parent
/// that is slow has no more to hold than one that is not.
#[derive(Clone, Debug, Default)]
struct Counted(Arc<Mutex<Tally>>);

impl Counted {
    fn replace(&self, tally: Tally) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }

    fn add_to(&self, sum: &mut Tally) {
        sum.add(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One worker process; dropping it ends it.
struct Worker {
    process: Child,
    /// Opens gates; its end stops the worker.
    input: Option<ChildStdin>,
    is_waiting: bool,
    counted: Counted,
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
        let (sender, news) = mpsc::sync_channel(NEWS_MAX);
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
            Some(News::Done(outcome)) => {
                worker.counted.replace(outcome.tally.clone());
                worker.outcome = Some(*outcome);
            }
            Some(News::Failed(reason)) => return fault(reason),
            None if worker.outcome.is_none() => {
                let status = worker.process.wait()?;
                return fault(format!("it ended in the middle ({status}); `dmesg` may say why"));
            }
            Some(News::Counted(_) | News::Heard(_)) | None => {}
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
        self.workers.iter().for_each(|worker| worker.counted.add_to(&mut sum));
        observer.note(self.start.elapsed(), &sum);
    }
}

fn start_worker(share: Share, news: &SyncSender<Said>) -> Result<Worker, Error> {
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
    let counted = Counted::default();
    if let Some(output) = output {
        let (counted, news) = (counted.clone(), news.clone());
        thread::spawn(move || listen(index, output, &counted, &news));
    }
    Ok(Worker { process, input, is_waiting: false, counted, outcome: None })
}

/// Keeps what a worker counts and passes on what else it says, until its output ends.
fn listen(index: usize, output: impl Read, counted: &Counted, news: &SyncSender<Said>) {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    for said in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
        match said {
            News::Counted(tally) => counted.replace(*tally),
            // Nobody listens any more when the run has failed, and then the worker ends too.
            said => drop(news.send((index, Some(said)))),
        }
    }
    let _ = news.send((index, None));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_counts_never_waits_for_its_parent() {
        let mut output = String::new();
        for attempted in 1..=3 * NEWS_MAX as u64 {
            let tally = Box::new(Tally { attempted, ..Tally::default() });
            output += &serde_json::to_string(&News::Counted(tally)).unwrap();
            output.push('\n');
        }
        output += &serde_json::to_string(&News::Waiting).unwrap();
        let (sender, news) = mpsc::sync_channel(NEWS_MAX);
        let counted = Counted::default();
        listen(7, output.as_bytes(), &counted, &sender);
        let heard: Vec<Said> = news.try_iter().collect();
        assert!(matches!(heard[..], [(7, Some(News::Waiting)), (7, None)]), "{heard:?}");
        let mut sum = Tally::default();
        counted.add_to(&mut sum);
        assert_eq!(sum.attempted, 3 * NEWS_MAX as u64);
    }
}
