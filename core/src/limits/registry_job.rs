//! Bounds of import and export jobs, and of the files that they read and write.

use core::time::Duration;

/// Import and export jobs of one hub that have not ended. One more: refused with
/// `JobQuotaExceeded`.
///
/// Source: control-plane reference, "Import / export jobs (v1 jobs)".
pub const REGISTRY_JOBS_UNFINISHED_MAX: usize = 1;

/// Import and export jobs of all hubs that run, a thread each. More are enqueued until one ends.
pub const REGISTRY_JOBS_RUNNING_MAX: usize = 8;

/// Longest URI of a container in bytes, its signature included. Longer: refused with
/// `BlobContainerValidationError`.
pub const CONTAINER_URI_BYTES_MAX: usize = 8 * 1024;

/// Longest line of a file of identities in bytes, without its end. Longer: the line is an error,
/// the next one is read.
pub const IDENTITY_LINE_BYTES_MAX: usize = 1024 * 1024;

/// Lines, in bytes, after which an import writes what it has read of a turn, even if the turn has
/// room for more identities.
pub const IMPORT_TURN_BYTES_MAX: usize = 256 * 1024;

/// Turns of an import that wait for the store's writer, so that it need not wait for the next one.
pub const IMPORT_TURNS_IN_FLIGHT_MAX: usize = 4;

/// Errors of one import that are kept until its end, in bytes. More: counted, and the count is the
/// last line of the errors.
pub const IMPORT_ERRORS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Identities that an export reads at a time, devices and modules each.
pub const EXPORT_PAGE_IDENTITIES_MAX: usize = 256;

/// Bytes of lines after which a page of an export ends early.
pub const EXPORT_PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Levels of edge devices that an export tells apart, so that parents come before those below them.
/// Devices that are deeper come last, in the order of their ids.
pub const EXPORT_LEVELS_MAX: usize = 8;

/// Bytes of a blob that are sent, or asked for, in one request: what a job holds of it in memory.
pub const BLOB_BLOCK_BYTES: usize = 4 * 1024 * 1024;

/// Answers of a storage account in bytes, other than those with a part of a blob. What is longer is
/// cut.
pub const BLOB_ERROR_BYTES_MAX: u64 = 16 * 1024;

/// How often a request to a storage account is tried that may succeed later. Then the job fails.
pub const STORAGE_TRIES_MAX: u32 = 6;

/// Time before the second try; doubles with each.
pub const STORAGE_BACK_OFF: Duration = Duration::from_millis(250);

/// Most blocks of a blob. An export that needs more fails.
///
/// Source: Azure Storage documentation, "Put Block List".
pub const BLOB_BLOCKS_MAX: usize = 50_000;
