//! Bounds of file uploads and of the blobs that the hub keeps itself.

use core::time::Duration;

/// Uploads that a device may have begun and not ended. One more: refused with
/// `DeviceMaximumActiveFileUploadLimitExceeded`.
///
/// Source: control-plane reference, "File upload settings, notifications and feedback".
pub const UPLOADS_OPEN_MAX: usize = 10;

/// Longest life of the address that an upload goes to. Longer: refused by the configuration.
///
/// Source: control-plane reference, "File upload settings, notifications and feedback".
pub const UPLOAD_ADDRESS_TTL_MAX: Duration = Duration::from_hours(24);

/// Longest name of a blob in characters, with the device's id in front. Longer: refused as a bad
/// argument.
pub const BLOB_NAME_CHARS_MAX: usize = 1024;

/// Longest id of a block, as it stands in the request. Longer: refused with `InvalidBlockId`.
pub const BLOCK_ID_CHARS_MAX: usize = 88;

/// Blocks of one blob. More: refused with `BlockListTooLong`.
pub const BLOCKS_MAX: usize = 50_000;

/// Blocks of one blob that wait for their list. More: refused with `BlockCountExceedsLimit`.
pub const BLOCKS_WAITING_MAX: u64 = 100_000;

/// How long blocks wait for their list, from the last one of the blob on. Over: they are removed.
pub const BLOCK_RETENTION: Duration = Duration::from_hours(24);

/// Bytes of metadata of one blob or container, names included. More: refused with
/// `MetadataTooLarge`.
pub const BLOB_METADATA_BYTES_MAX: usize = 8 * 1024;

/// Blobs and blocks that the process receives or sends at a time. More: refused with `ServerBusy`,
/// and storage clients try again.
pub const BLOB_STREAMS_MAX: usize = 256;

/// Bytes of a blob that go from thread to thread at a time.
pub const BLOB_PIECE_BYTES: usize = 256 * 1024;

/// Bytes of one upload that are in memory because the disk has not taken them. At the bound the
/// connection is not read.
pub const BLOB_WINDOW_BYTES: usize = 2 * BLOB_PIECE_BYTES;

/// Bytes of one upload that the kernel may keep from the disk. At the bound its thread waits for
/// the disk, so that neither the end of the upload nor anybody's commit waits for gigabytes.
pub const BLOB_UNSYNCED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Requests about blobs that wait for one thread of the store. More: refused with `ServerBusy`.
pub const BLOB_REQUESTS_WAITING_MAX: usize = 1024;

/// Files whose blobs are removed in one transaction when a hub goes, by about the parts of one blob
/// more: nobody else changes a blob meanwhile. More: the next transaction.
pub const BLOB_REMOVAL_FILES_MAX: usize = 256;

/// Most blobs or containers of one page of a list.
pub const BLOB_PAGE_MAX: usize = 5000;

/// Containers of storage accounts elsewhere that are known to be there, and accounts that are known
/// not to be reached. More: all are forgotten, and found out again.
pub const STORAGE_PLACES_KNOWN_MAX: usize = 4096;

const _: () = assert!(BLOB_PIECE_BYTES <= BLOB_WINDOW_BYTES);
