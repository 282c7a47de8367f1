//! The storage accounts that hubs have of their own.

use ringhub_core::id::HubId;

use super::Sources;
use super::page::{Kind, Page};

/// What belongs to one hub alone.
pub(super) fn write_hub(sources: &Sources, hub: HubId, page: &mut Page) {
    let Some(found) = sources.control.directory().hub(hub) else { return };
    let used = sources.control.blobs().used_bytes(hub);
    let help = "Bytes of the hub's own storage account, uploads under way included.";
    page.single("ringhub_blob_bytes", Kind::Gauge, help, used);
    let help = "Bytes that it may have.";
    page.single("ringhub_blob_quota_bytes", Kind::Gauge, help, found.file_upload().quota_bytes);
}

/// What all hubs share.
pub(super) fn write(sources: &Sources, page: &mut Page) {
    write_hub(sources, sources.hub, page);
    let (blobs, counter) = (sources.control.blobs(), Kind::Counter);
    let help = "Uploads and downloads of blobs that are under way.";
    page.single("ringhub_blob_transfers", Kind::Gauge, help, blobs.streams());
    let (counters, help) = (blobs.counters(), "Bytes of blobs that were received.");
    page.single("ringhub_blob_received_bytes_total", counter, help, counters.received_bytes());
    let help = "Bytes of blobs that were sent.";
    page.single("ringhub_blob_sent_bytes_total", counter, help, counters.sent_bytes());
    let help = "Requests about blobs that were refused: signature, quota, disk_full, busy, failed \
                (the disk), request (anything else that is wrong with it).";
    let mut family = page.family("ringhub_blob_refusals_total", counter, help);
    for (reason, count) in counters.refusals() {
        family.sample(&[("reason", &reason)], count);
    }
}
