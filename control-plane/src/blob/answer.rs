//! Answers about containers and blobs.

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ringhub_core::codec::http::HttpDate;
use ringhub_core::time::UnixMillis;

use super::headers::BlobHeaders;
use super::index::BlobRow;
use crate::api::Response;

/// The version of the service that is spoken.
const VERSION: HeaderValue = HeaderValue::from_static("2021-12-02");

/// Content type of lists and errors.
pub(super) const XML: HeaderValue = HeaderValue::from_static("application/xml");

const BLOCK_BLOB: HeaderValue = HeaderValue::from_static("BlockBlob");

/// An answer with the headers that all have.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::empty(status);
    response.headers.insert(HeaderName::from_static("x-ms-version"), VERSION);
    response
}

/// A list.
pub(super) fn xml(body: String) -> Response {
    let mut response = empty(StatusCode::OK);
    response.headers.insert(CONTENT_TYPE, XML);
    response.body = Bytes::from(body);
    response
}

/// What was made or changed, with its tag.
pub(super) fn made(etag: u64, modified: UnixMillis) -> Response {
    let mut response = empty(StatusCode::CREATED);
    put_stamp(&mut response.headers, etag, modified);
    let encrypted = HeaderName::from_static("x-ms-request-server-encrypted");
    response.headers.insert(encrypted, HeaderValue::from_static("false"));
    response
}

/// Properties of a container.
pub(super) fn container(etag: u64, modified: UnixMillis, metadata: &BlobHeaders) -> Response {
    let mut response = empty(StatusCode::OK);
    put_stamp(&mut response.headers, etag, modified);
    metadata.put_into(&mut response.headers);
    for (name, value) in [("x-ms-lease-status", "unlocked"), ("x-ms-lease-state", "available")] {
        response.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// The head of an answer that is a blob, or the part of one from `start` on with `length` bytes.
pub(super) fn blob(row: &BlobRow, part: Option<(u64, u64)>) -> Response {
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = empty(status);
    let headers = &mut response.headers;
    put_stamp(headers, row.etag, row.modified);
    row.headers.put_into(headers);
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.entry(CONTENT_TYPE).or_insert(octets);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(HeaderName::from_static("x-ms-blob-type"), BLOCK_BLOB);
    for (name, value) in [
        ("x-ms-lease-status", "unlocked"),
        ("x-ms-lease-state", "available"),
        ("x-ms-server-encrypted", "false"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let created = HeaderValue::try_from(HttpDate(row.created).to_string());
    headers.extend(created.ok().map(|at| (HeaderName::from_static("x-ms-creation-time"), at)));
    if let Some((start, length)) = part {
        let last = (start + length).saturating_sub(1);
        let range = HeaderValue::try_from(format!("bytes {start}-{last}/{}", row.size));
        headers.extend(range.ok().map(|range| (CONTENT_RANGE, range)));
        // The digest is that of the whole.
        if let Some(digest) = headers.remove("content-md5") {
            headers.insert(HeaderName::from_static("x-ms-blob-content-md5"), digest);
        }
    }
    response
}

/// A tag as clients see it, without quotes.
pub(super) fn etag_text(etag: u64) -> String {
    format!("0x{etag:016X}")
}

fn put_stamp(headers: &mut HeaderMap, etag: u64, modified: UnixMillis) {
    let tag = HeaderValue::try_from(format!("\"{}\"", etag_text(etag)));
    headers.extend(tag.ok().map(|tag| (ETAG, tag)));
    let modified = HeaderValue::try_from(HttpDate(modified).to_string());
    headers.extend(modified.ok().map(|modified| (LAST_MODIFIED, modified)));
}
