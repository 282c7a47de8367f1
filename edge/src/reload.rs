//! New certificates, and another token of administrators, in the running hub: on SIGHUP, and when
//! their files change.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use ringhub_control_plane::AdminToken;
use signal_hook::consts::SIGHUP;
use time::OffsetDateTime;
use tracing::{error, info, warn};

use crate::startup::{AdminTokenFile, CertificateSource, Fingerprint};
use crate::tls::Certificates;

/// Time between two looks at the files. A change counts once it has stood still for one, so that
/// chain and key that are replaced one after the other are read together.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// Time between two reminders of an expiry that is near, and two renewals that are tried.
const REMINDER_INTERVAL: time::Duration = time::Duration::days(1);

/// How long before its end a certificate is warned about.
const EXPIRY_WARNING: time::Duration = time::Duration::days(30);

/// SIGHUP, caught. Install it before any other thread starts.
#[derive(Debug)]
pub struct ReloadSignal {
    pipe: UnixStream,
}

impl ReloadSignal {
    /// Catches SIGHUP from now on, which would end the process otherwise.
    ///
    /// # Errors
    /// When the kernel refuses a socket pair or the handler.
    pub fn install() -> io::Result<Self> {
        let (pipe, from_handler) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGHUP, from_handler)?;
        pipe.set_read_timeout(Some(WATCH_INTERVAL))?;
        Ok(Self { pipe })
    }

    /// Blocks until SIGHUP or for [`WATCH_INTERVAL`]; true on SIGHUP.
    fn wait(&mut self) -> bool {
        match self.pipe.read(&mut [0; 64]) {
            Ok(count) => count > 0,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                false
            }
            Err(error) => {
                error!("SIGHUP is not noticed any more: {error}");
                thread::sleep(WATCH_INTERVAL);
                false
            }
        }
    }
}

/// Keeps `certificates` as fresh as `source`, and the token of administrators as its file, on a
/// thread of its own until the process ends.
///
/// What cannot be used is logged, with file and remedy, and changes nothing. The thread reads a
/// handful of files and is otherwise asleep.
///
/// # Errors
/// When the thread cannot be started.
pub fn reload_files(
    source: CertificateSource,
    certificates: Arc<Certificates>,
    mut admin_token: Option<TokenWatch>,
    mut signal: ReloadSignal,
) -> io::Result<()> {
    let mut watch = Watch::new(source, certificates, OffsetDateTime::now_utc());
    let run = move || loop {
        let is_asked = signal.wait();
        let now = OffsetDateTime::now_utc();
        if let Some(watch) = &mut admin_token {
            watch.look();
        }
        if is_asked {
            watch.reload(now);
        } else {
            watch.look(now);
        }
    };
    thread::Builder::new().name("reload".to_owned()).spawn(run).map(drop)
}

/// Takes another token of administrators when its file has one.
#[derive(Debug)]
pub struct TokenWatch {
    file: AdminTokenFile,
    token: Arc<AdminToken>,
    seen: Option<SystemTime>,
}

impl TokenWatch {
    /// Watches the file of `token`.
    #[must_use]
    pub fn new(file: AdminTokenFile, token: Arc<AdminToken>) -> Self {
        // What was written since it was read is seen at the first look.
        Self { file, token, seen: None }
    }

    fn look(&mut self) {
        let found = self.file.modified();
        if found != self.seen {
            self.seen = found;
            self.file.refresh(&self.token);
        }
    }
}

/// What was seen and tried so far.
struct Watch {
    source: CertificateSource,
    certificates: Arc<Certificates>,
    /// The files at the last look.
    seen: Fingerprint,
    /// The files at the last reload, whether it succeeded or not.
    tried: Fingerprint,
    reminded_at: OffsetDateTime,
}

impl Watch {
    fn new(
        source: CertificateSource,
        certificates: Arc<Certificates>,
        now: OffsetDateTime,
    ) -> Self {
        let seen = source.fingerprint();
        let watch = Self { source, certificates, tried: seen.clone(), seen, reminded_at: now };
        watch.remind(now);
        watch
    }

    /// Reloads files that have changed and stood still since; reminds of expiries once a day.
    fn look(&mut self, now: OffsetDateTime) {
        let seen = self.source.fingerprint();
        let stands_still = seen == self.seen;
        self.seen = seen;
        if stands_still && self.seen != self.tried {
            self.reload(now);
        }
        if now - self.reminded_at >= REMINDER_INTERVAL {
            self.reminded_at = now;
            if self.source.ca().is_some() {
                self.reload(now);
            } else {
                self.remind(now);
            }
        }
    }

    /// Puts the present files in place, or says why the old ones stay.
    fn reload(&mut self, now: OffsetDateTime) {
        self.tried = self.source.fingerprint();
        let hosts = self.certificates.hosts_of_hubs();
        let loaded = self.source.load(now).and_then(|loaded| {
            Ok((loaded, self.source.load_hubs(hosts.iter().map(AsRef::as_ref), now)?))
        });
        match loaded {
            Ok((loaded, of_hubs)) => {
                self.certificates.replace(loaded);
                self.certificates.put_hubs(of_hubs);
                for status in self.certificates.status() {
                    info!(
                        host_name = status.host_name,
                        file = %status.file.display(),
                        expires = %status.not_after.date(),
                        "new handshakes get this certificate"
                    );
                }
                self.remind(now);
            }
            Err(error) => {
                self.certificates.count_failure();
                error!("the certificates stay as they were, because {error}");
            }
        }
    }

    fn remind(&self, now: OffsetDateTime) {
        for status in self.certificates.status() {
            let (host_name, file) = (&status.host_name, status.file.display());
            let (left, date) = (status.not_after - now, status.not_after.date());
            if left <= time::Duration::ZERO {
                error!(host_name, %file, "the certificate expired on {date}: clients refuse it; put a renewed one there");
            } else if left < EXPIRY_WARNING {
                let days = left.whole_days();
                warn!(host_name, %file, "the certificate expires on {date}, in {days} days; put a renewed one there, and the hub takes it up");
            }
        }
    }
}
