//! `ringhub top`.

mod frame;
mod keys;
mod scrape;

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use http::Method;

use self::keys::Keys;
use self::scrape::Scrape;
use super::error::CliError;
use super::seconds;
use super::target::TargetArguments;
use crate::client::{ClientError, Interrupt, Precondition, RestClient};

const EXAMPLES: &str = "\
Examples:
  ringhub top                                         until q, Esc or Ctrl-C
  ringhub top --interval 5
  ringhub top --once                                  one picture as text, of one second";

/// How long one page may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long Ctrl-C or a key may go unheard.
const NAP: Duration = Duration::from_millis(50);

/// The terminal's second screen without cursor, and back to the first.
const ENTER_SCREEN: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE_SCREEN: &str = "\x1b[?25h\x1b[?1049l";
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Watch shards, executors, partitions and the latency of each stage
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Top {
    /// Seconds between two looks; rates and latencies are of that time
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    interval: f64,
    /// Print one picture and end; so it is, too, where the output is no terminal
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    target: TargetArguments,
}

impl Top {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let interrupt = Interrupt::install()?;
        let mut before = scrape(&rest)?;
        if self.once || !io::stdout().is_terminal() {
            self.wait(&interrupt);
            let picture = frame::render(&before, &scrape(&rest)?);
            return Ok(io::stdout().write_all(picture.as_bytes())?);
        }
        let pages = self.pages(rest)?;
        let _screen = Screen::enter()?;
        let keys = Keys::open()?;
        loop {
            if interrupt.is_set() || keys.ask_to_end(NAP)? {
                return Ok(());
            }
            let Some(now) = pages.try_iter().last().transpose()? else { continue };
            let mut stdout = io::stdout().lock();
            write!(stdout, "{CLEAR}{}", frame::render(&before, &now))?;
            stdout.flush()?;
            before = now;
        }
    }

    /// Pages of the hub, fetched on a thread of their own: keys are heard also while the hub lets
    /// wait for one. The thread ends with the process, or with the first page that nobody takes.
    fn pages(&self, rest: RestClient) -> io::Result<Receiver<Result<Scrape, ClientError>>> {
        let (sender, pages) = mpsc::sync_channel(1);
        let interval = self.interval();
        let fetch = move || {
            loop {
                thread::sleep(interval);
                let page = scrape(&rest);
                let is_last = page.is_err();
                if sender.send(page).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new().name("pages".to_owned()).spawn(fetch)?;
        Ok(pages)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.interval.max(0.1))
    }

    fn wait(&self, interrupt: &Interrupt) {
        let until = Instant::now() + self.interval();
        while !interrupt.is_set() && Instant::now() < until {
            thread::sleep(NAP.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

fn scrape(rest: &RestClient) -> Result<Scrape, ClientError> {
    let answer = rest.exchange(Method::GET, "/metrics", Precondition::Absent, None, PATIENCE)?;
    if answer.status != 200 {
        return Err(answer.refusal().into());
    }
    Ok(Scrape::read(&String::from_utf8_lossy(&answer.body), Instant::now()))
}

/// The second screen of the terminal, until it is dropped.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(ENTER_SCREEN.as_bytes())?;
        stdout.flush()?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut stdout = io::stdout().lock();
        // A terminal that is gone needs nothing.
        let _ = stdout.write_all(LEAVE_SCREEN.as_bytes()).and_then(|()| stdout.flush());
    }
}
