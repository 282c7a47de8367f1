//! The thread that writes pages.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use ringhub_control_plane::ControlPlane;
use ringhub_control_plane::api::{Reply, Response};
use ringhub_core::id::HubId;

use super::page::{self, Page};
use super::{blobs, certificates, executors, hubs, process, quotas, registry, shards, stages};
use crate::partition::PartitionsView;
use crate::shard::mailbox::Mailboxes;
use crate::shard::{Clock, ShardCounters, ShardHandle};
use crate::tls::Certificates;

/// Requests for a page that may wait; more are answered that the hub is busy.
const REQUESTS_MAX: usize = 16;

/// Somebody who wants the page of a hub.
struct Asked {
    hub: HubId,
    reply: Reply,
}

/// Asks for pages. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Inspector(flume::Sender<Asked>);

impl Inspector {
    /// Asks for the page of a hub, which `reply` gets on the inspector's thread. Never blocks.
    ///
    /// # Errors
    /// Gives `reply` back when too many wait, or the hub is stopping.
    pub fn request(&self, hub: HubId, reply: Reply) -> Result<(), Reply> {
        self.0.try_send(Asked { hub, reply }).map_err(|refused| refused.into_inner().reply)
    }
}

/// The receiving end of [`Inspector`].
#[derive(Debug)]
pub struct Requests(flume::Receiver<Asked>);

/// Makes the way to an inspector whose thread starts later.
#[must_use]
pub fn inspector() -> (Inspector, Requests) {
    let (sender, receiver) = flume::bounded(REQUESTS_MAX);
    (Inspector(sender), Requests(receiver))
}

/// What pages are about.
pub struct Sources {
    /// The hub of the configuration.
    pub hub: HubId,
    /// Its name, the value of the label `hub`.
    pub host_name: String,
    /// By number.
    pub shards: Vec<Arc<ShardCounters>>,
    /// By number.
    pub mailboxes: Mailboxes,
    /// Executors, rings and partitions.
    pub partitions: PartitionsView,
    /// Directory and store.
    pub control: Arc<ControlPlane>,
    /// Where the registry's files are.
    pub registry_directory: PathBuf,
    /// What handshakes choose from.
    pub certificates: Arc<Certificates>,
    /// The clocks.
    pub clock: Clock,
}

impl Sources {
    /// The counters of `shards`, in their order.
    #[must_use]
    pub fn counters_of(shards: &[ShardHandle]) -> Vec<Arc<ShardCounters>> {
        shards.iter().map(|shard| Arc::clone(&shard.counters)).collect()
    }

    /// The name of a hub, as the label `hub` has it.
    pub(super) fn name_of(&self, hub: HubId) -> String {
        if hub == self.hub {
            return self.host_name.clone();
        }
        let found = self.control.directory().hub(hub);
        found.map_or_else(|| hub.0.to_string(), |found| found.host_name.clone())
    }

    /// Writes the page of a hub: that of the configuration has the numbers of the process, the
    /// others learn of nothing but themselves. One that is gone meanwhile has an empty page.
    #[must_use]
    pub fn page_of(&self, hub: HubId) -> String {
        if hub == self.hub {
            return self.page();
        }
        let Some(found) = self.control.directory().hub(hub) else { return String::new() };
        let mut page = Page::new(&found.host_name);
        registry::write_hub(self, hub, &mut page);
        blobs::write_hub(self, hub, &mut page);
        quotas::write(&[found], self.clock.wall(), &mut page);
        page.into_text()
    }

    /// Writes the page of the configured hub. Linear in shards and partitions; no other thread
    /// waits for it.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = Page::new(&self.host_name);
        stages::write(self, &mut page);
        shards::write(self, &mut page);
        executors::write(self, &mut page);
        hubs::write(self, &mut page);
        registry::write(self, &mut page);
        blobs::write(self, &mut page);
        quotas::write(&self.control.hubs(), self.clock.wall(), &mut page);
        process::write(&mut page);
        certificates::write(&self.certificates, &mut page);
        page.into_text()
    }
}

/// The running thread. It ends when every [`Inspector`] is gone.
#[derive(Debug)]
pub struct InspectorThread(JoinHandle<()>);

impl InspectorThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the kernel refuses a thread.
    pub fn start(sources: Sources, requests: Requests) -> io::Result<Self> {
        process::note_start();
        let run = move || {
            for Asked { hub, reply } in requests.0 {
                reply(response(sources.page_of(hub)));
            }
        };
        thread::Builder::new().name("inspector".to_owned()).spawn(run).map(Self)
    }

    /// Waits for the end of the thread.
    ///
    /// # Errors
    /// With the panic's payload if the thread panicked.
    pub fn join(self) -> thread::Result<()> {
        self.0.join()
    }
}

fn response(page: String) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page::CONTENT_TYPE));
    Response { status: StatusCode::OK, headers, body: page.into() }
}
