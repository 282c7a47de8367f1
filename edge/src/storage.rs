//! Calls storage accounts elsewhere, for the uploads of devices.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::{CONTENT_LENGTH, LAST_MODIFIED};
use http::{HeaderMap, Method, Request, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ringhub_control_plane::file_upload::{
    BlobFound, BlobProperties, ContainerReady, StorageClient, StorageUnavailable,
};
use ringhub_core::limits::STORAGE_PLACES_KNOWN_MAX;
use ringhub_core::storage::{
    BlobName, ContainerName, StorageAccount, signed_account_query, signed_blob_query,
};
use ringhub_core::time::UnixMillis;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use ureq::{Agent, Body};

use crate::client::https_agent_config;

/// Calls that wait. More: refused, and the device tries again.
const CALLS_MAX: usize = 256;

/// Threads, so that an account that does not answer does not hold up all others: calls to it are
/// few, because it [rests](REST) after each.
const THREADS: usize = 4;

/// Longest time for one call.
const CALL_TIME_MAX: Duration = Duration::from_secs(10);

/// How long an account that could not be reached is not called again: whoever asks is told so at
/// once.
const REST: Duration = Duration::from_secs(10);

/// How long the signature of a call is good for.
const SIGNATURE_TTL: Duration = Duration::from_mins(5);

/// The version that the calls are written in: every account and emulator takes it.
const VERSION: &str = "2018-03-28";

/// What stands for itself in a path.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What to ask of which account.
enum Call {
    Find(Arc<StorageAccount>, ContainerName, BlobName, BlobFound),
    Ensure(Arc<StorageAccount>, ContainerName, ContainerReady),
}

/// Threads that call storage accounts. They end with the last clone of this.
#[derive(Clone, Debug)]
pub(crate) struct StorageCalls(flume::Sender<Call>);

impl StorageCalls {
    /// Starts the threads, which trust `roots`.
    ///
    /// # Errors
    /// When the kernel refuses a thread.
    pub(crate) fn start(roots: &[CertificateDer<'_>]) -> io::Result<Self> {
        let (calls, waiting) = flume::bounded(CALLS_MAX);
        let agent = Agent::new_with_config(https_agent_config(roots));
        let known = Arc::new(Mutex::new(Known::default()));
        for number in 0..THREADS {
            let caller =
                Caller { agent: agent.clone(), waiting: waiting.clone(), known: known.clone() };
            thread::Builder::new().name(format!("storage-{number}")).spawn(move || caller.run())?;
        }
        Ok(Self(calls))
    }

    fn submit(&self, call: Call) {
        if let Err(refused) = self.0.try_send(call) {
            let busy = StorageUnavailable("too many calls wait for storage accounts".to_owned());
            match refused.into_inner() {
                Call::Find(.., done) => done(Err(busy)),
                Call::Ensure(.., done) => done(Err(busy)),
            }
        }
    }
}

impl StorageClient for StorageCalls {
    fn ensure_container(
        &self,
        account: &Arc<StorageAccount>,
        container: &ContainerName,
        done: ContainerReady,
    ) {
        self.submit(Call::Ensure(Arc::clone(account), container.clone(), done));
    }

    fn find(
        &self,
        account: &Arc<StorageAccount>,
        container: &ContainerName,
        blob: &BlobName,
        done: BlobFound,
    ) {
        self.submit(Call::Find(Arc::clone(account), container.clone(), blob.clone(), done));
    }
}

/// What calls have shown.
#[derive(Debug, Default)]
struct Known {
    /// Containers that were there when they were looked for, by host and path.
    ready: HashSet<String>,
    /// Hosts that could not be reached, until when they rest.
    resting: HashMap<String, Instant>,
}

impl Known {
    fn note_ready(&mut self, container: String) {
        if self.ready.len() >= STORAGE_PLACES_KNOWN_MAX {
            self.ready.clear();
        }
        self.ready.insert(container);
    }

    fn note_unreachable(&mut self, host: &str, now: Instant) {
        if self.resting.len() >= STORAGE_PLACES_KNOWN_MAX {
            self.resting.clear();
        }
        self.resting.insert(host.to_owned(), now + REST);
    }

    /// Whether a host is not to be called yet.
    fn rests(&mut self, host: &str, now: Instant) -> bool {
        let rests = self.resting.get(host).is_some_and(|until| now < *until);
        if !rests {
            self.resting.remove(host);
        }
        rests
    }
}

/// One thread.
struct Caller {
    agent: Agent,
    waiting: flume::Receiver<Call>,
    known: Arc<Mutex<Known>>,
}

impl Caller {
    fn run(self) {
        for call in &self.waiting {
            match call {
                Call::Find(account, container, blob, done) => {
                    done(self.find(&account, &container, &blob));
                }
                Call::Ensure(account, container, done) => done(self.ensure(&account, &container)),
            }
        }
    }

    fn find(
        &self,
        account: &StorageAccount,
        container: &ContainerName,
        blob: &BlobName,
    ) -> Result<BlobProperties, StorageUnavailable> {
        let query = signed_blob_query(account.key(), &account.name, (container, blob), soon());
        let path = format!("{}/{}", account.container_path(container.as_str()), blob.as_str());
        let answer = self.call(Method::HEAD, account, &path, &query.unwrap_or_default())?;
        if answer.status() != 200 {
            return Err(refusal(account, &answer));
        }
        properties(answer.headers()).ok_or_else(|| {
            StorageUnavailable(format!("{} does not tell the size of the blob", account.host()))
        })
    }

    fn ensure(
        &self,
        account: &StorageAccount,
        container: &ContainerName,
    ) -> Result<(), StorageUnavailable> {
        let path = account.container_path(container.as_str());
        let name = format!("{}/{path}", account.host());
        if self.known().ready.contains(&name) {
            return Ok(());
        }
        let query = signed_account_query(account.key(), &account.name, soon());
        let query = format!("restype=container&{}", query.unwrap_or_default());
        let answer = self.call(Method::PUT, account, &path, &query)?;
        // 409: it is there.
        if !matches!(answer.status().as_u16(), 201 | 409) {
            return Err(refusal(account, &answer));
        }
        self.known().note_ready(name);
        Ok(())
    }

    fn call(
        &self,
        method: Method,
        account: &StorageAccount,
        path: &str,
        query: &str,
    ) -> Result<Response<Body>, StorageUnavailable> {
        let path = utf8_percent_encode(path, PATH);
        let host = account.host();
        if self.known().rests(host, Instant::now()) {
            let text = format!("{host} cannot be called: it did not answer a moment ago");
            return Err(StorageUnavailable(text));
        }
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{host}/{path}?{query}"))
            .header("x-ms-version", VERSION)
            .header(CONTENT_LENGTH, "0")
            .body(());
        let unavailable = |why: &dyn std::fmt::Display| {
            StorageUnavailable(format!("{host} cannot be called: {why}"))
        };
        let request = request.map_err(|error| unavailable(&error))?;
        let request = self.agent.configure_request(request);
        let request = request.timeout_global(Some(CALL_TIME_MAX)).build();
        self.agent.run(request).map_err(|error| {
            self.known().note_unreachable(host, Instant::now());
            unavailable(&error)
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(account: &StorageAccount, answer: &Response<Body>) -> StorageUnavailable {
    let code = answer.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok());
    let (host, status) = (account.host(), answer.status().as_u16());
    StorageUnavailable(format!("{host} answers {status} {}", code.unwrap_or_default()))
}

fn properties(headers: &HeaderMap) -> Option<BlobProperties> {
    let size = headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    let modified = headers.get(LAST_MODIFIED)?.to_str().ok()?.replace("GMT", "+0000");
    let modified = OffsetDateTime::parse(&modified, &Rfc2822).ok()?.unix_timestamp();
    Some(BlobProperties { size, modified: UnixMillis::from_millis(modified * 1000) })
}

fn soon() -> UnixMillis {
    time_after(SIGNATURE_TTL)
}

/// When a signature ends that is made now and good for so long.
pub(crate) fn time_after(life: Duration) -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = UnixMillis::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    now + life
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_cannot_be_reached_rests_and_others_do_not() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.note_unreachable("a.example", now);
        assert!(known.rests("a.example", now + REST / 2));
        assert!(!known.rests("b.example", now));
        assert!(!known.rests("a.example", now + REST));
        assert!(known.resting.is_empty());
        for number in 0..=STORAGE_PLACES_KNOWN_MAX {
            known.note_ready(number.to_string());
            known.note_unreachable(&number.to_string(), now);
        }
        assert!(known.ready.len() <= STORAGE_PLACES_KNOWN_MAX);
        assert!(known.resting.len() <= STORAGE_PLACES_KNOWN_MAX);
    }
}
