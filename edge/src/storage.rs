//! Calls storage accounts elsewhere, for the uploads of devices.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CONTENT_LENGTH, LAST_MODIFIED};
use http::{HeaderMap, Method, Request, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ringhub_control_plane::file_upload::{
    BlobFound, BlobProperties, ContainerReady, StorageClient, StorageUnavailable,
};
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

/// Threads, so that one account that does not answer does not hold up all others.
const THREADS: usize = 2;

/// Longest time for one call.
const CALL_TIME_MAX: Duration = Duration::from_secs(10);

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
        let ready = Arc::new(Mutex::new(HashSet::new()));
        for number in 0..THREADS {
            let caller =
                Caller { agent: agent.clone(), waiting: waiting.clone(), ready: ready.clone() };
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

/// One thread.
struct Caller {
    agent: Agent,
    waiting: flume::Receiver<Call>,
    /// Containers that were there when they were looked for, by host and path.
    ready: Arc<Mutex<HashSet<String>>>,
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
        if self.ready().contains(&name) {
            return Ok(());
        }
        let query = signed_account_query(account.key(), &account.name, soon());
        let query = format!("restype=container&{}", query.unwrap_or_default());
        let answer = self.call(Method::PUT, account, &path, &query)?;
        // 409: it is there.
        if !matches!(answer.status().as_u16(), 201 | 409) {
            return Err(refusal(account, &answer));
        }
        self.ready().insert(name);
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
        self.agent.run(request).map_err(|error| unavailable(&error))
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
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
