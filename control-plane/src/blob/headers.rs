//! What a blob or container is stored with besides its bytes.

use http::{HeaderMap, HeaderName, HeaderValue};
use ringhub_core::limits::BLOB_METADATA_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::StorageError;

const METADATA: &str = "x-ms-meta-";

/// Headers of a write with the headers of a read that they become.
const KEPT: [(&str, &str); 6] = [
    ("x-ms-blob-content-type", "content-type"),
    ("x-ms-blob-content-encoding", "content-encoding"),
    ("x-ms-blob-content-language", "content-language"),
    ("x-ms-blob-content-disposition", "content-disposition"),
    ("x-ms-blob-cache-control", "cache-control"),
    ("x-ms-blob-content-md5", "content-md5"),
];

/// Headers that come back with a blob, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlobHeaders(Vec<(String, String)>);

impl BlobHeaders {
    /// Those of a write. `is_body`: the body of the request is that of the blob, and so are the
    /// headers about it.
    pub(super) fn of_write(headers: &HeaderMap, is_body: bool) -> Result<Self, StorageError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let of_blob = KEPT.iter().filter_map(|(given, kept)| {
            let plain = is_body && *kept != "cache-control";
            let value = text(given).or_else(|| text(kept).filter(|_| plain))?;
            Some(((*kept).to_owned(), value.to_owned()))
        });
        let mut all: Vec<(String, String)> = of_blob.collect();
        all.extend(metadata(headers)?.0);
        Ok(Self(all))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Names without their prefix, and values.
    pub(super) fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(METADATA)?, &**value)))
    }

    pub(super) fn put_into(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            {
                headers.insert(name, value);
            }
        }
    }
}

/// The metadata of a request.
pub(super) fn metadata(headers: &HeaderMap) -> Result<BlobHeaders, StorageError> {
    let own = headers.iter().filter(|(name, _)| name.as_str().starts_with(METADATA));
    let own = own.filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let all: Vec<(String, String)> = own.collect();
    let bytes: usize = all.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > BLOB_METADATA_BYTES_MAX { Err(StorageError::Metadata) } else { Ok(BlobHeaders(all)) }
}
