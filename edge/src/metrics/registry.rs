//! Identities and their store.

use ringhub_core::id::HubId;
use ringhub_core::meter::Snapshot;

use super::Sources;
use super::page::{Kind, Page, Scale};

/// The write-ahead log of the database.
const WAL_FILE: &str = "registry.db-wal";

/// What belongs to one hub alone.
pub(super) fn write_hub(sources: &Sources, hub: HubId, page: &mut Page) {
    let counts = sources.control.directory().counts(hub);
    let help = "Devices: registered, disabled, and connected.";
    let mut family = page.family("ringhub_devices", Kind::Gauge, help);
    for (state, count) in [
        ("registered", counts.devices),
        ("disabled", counts.disabled),
        ("connected", counts.connected),
    ] {
        family.sample(&[("state", &state)], count);
    }
    write_memory(sources, hub, page);
}

/// What all hubs share.
pub(super) fn write(sources: &Sources, page: &mut Page) {
    let control = &sources.control;
    write_hub(sources, sources.hub, page);
    let store = control.store_counters();
    let help = "Requests that wait for the writer of the registry.";
    page.single("ringhub_store_queue_depth", Kind::Gauge, help, control.store_queue_len());
    let (kind, help) = (Kind::Counter, "Transactions of the registry that were committed.");
    page.single("ringhub_store_transactions_total", kind, help, store.transactions.read());
    let help = "Transactions of the registry that failed.";
    page.single("ringhub_store_failures_total", kind, help, store.failures.read());
    let help = "Requests in all transactions.";
    page.single("ringhub_store_requests_total", kind, help, store.requests.read());
    let help = "Time of a transaction, its sync included.";
    let mut snapshot = Snapshot::default();
    store.transaction_time.add_to(&mut snapshot);
    let name = "ringhub_store_transaction_duration_seconds";
    page.histograms(name, Scale::LATENCY, help).histogram(&[], &snapshot);
    let wal = std::fs::metadata(sources.registry_directory.join(WAL_FILE));
    let help = "Length of the registry's write-ahead log.";
    let bytes = wal.map_or(0, |metadata| metadata.len());
    page.single("ringhub_store_wal_bytes", Kind::Gauge, help, bytes);
}

fn write_memory(sources: &Sources, hub: HubId, page: &mut Page) {
    let memory = sources.control.directory().memory(hub);
    let help = "Memory of the directory by owner; of many devices, an estimate from a sample.";
    let mut family = page.family("ringhub_directory_memory_bytes", Kind::Gauge, help);
    for (owner, bytes) in [
        ("tables", memory.tables_bytes),
        ("names", memory.names_bytes),
        ("entries", memory.entries_bytes),
        ("credentials", memory.credentials_bytes),
    ] {
        family.sample(&[("owner", &owner)], bytes);
    }
    if hub == sources.hub {
        let bytes = sources.control.directory().cloud_to_device_bytes();
        family.sample(&[("owner", &"cloud_to_device")], bytes);
    }
}
