//! Blobs by requests of the Blob service, whoever carries these.

use std::fmt;
use std::ops::Range;

use http::header::{CONTENT_LENGTH, ETAG, HeaderName, IF_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringhub_core::limits::BLOB_ERROR_BYTES_MAX;
use ringhub_core::storage::waiting_block_list;

use super::{BlobProperties, BlobStorage, BlobUri, StorageError};

/// Version of the service that requests are written for.
const VERSION: HeaderValue = HeaderValue::from_static("2021-12-02");
const VERSION_NAME: HeaderName = HeaderName::from_static("x-ms-version");
const RANGE: HeaderName = HeaderName::from_static("x-ms-range");
/// Name of the error of an answer.
const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

/// Carries requests to storage accounts, and their answers back.
pub trait BlobExchange: fmt::Debug + Send + Sync {
    /// Sends a request, whose URI has the signature that it needs, and waits for the answer, for a
    /// bounded time. Answers of [`PUT`](Method::PUT) have no body that matters. An answer with a
    /// longer body than `body_bytes_max` is an error if it is a success, and cut if it is none.
    ///
    /// # Errors
    /// [`StorageError`] when there is no answer.
    fn exchange(
        &self,
        request: Request<&[u8]>,
        body_bytes_max: u64,
    ) -> Result<Response<Vec<u8>>, StorageError>;
}

/// Reads and writes blobs through an exchange.
///
/// Source: Azure Storage REST API, "Blob service".
#[derive(Clone, Copy, Debug)]
pub struct AccountClient<E>(pub E);

impl<E: BlobExchange> AccountClient<E> {
    /// Sends a request, and gives an answer that is `wanted`.
    fn send(
        &self,
        (method, uri): (Method, &str),
        headers: &[(HeaderName, String)],
        (body, body_bytes_max): (&[u8], u64),
        wanted: &[StatusCode],
    ) -> Result<Response<Vec<u8>>, StorageError> {
        let mut request = Request::builder().method(method).uri(uri).header(VERSION_NAME, VERSION);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(|_| StorageError::unusable_uri())?;
        let answer = self.0.exchange(request, body_bytes_max)?;
        if wanted.contains(&answer.status()) {
            return Ok(answer);
        }
        let code = answer.headers().get(ERROR_CODE).and_then(|code| code.to_str().ok());
        Err(StorageError::of_answer(answer.status(), code.unwrap_or_default()))
    }

    fn put(&self, uri: &str, body: &[u8]) -> Result<(), StorageError> {
        let body = (body, BLOB_ERROR_BYTES_MAX);
        self.send((Method::PUT, uri), &[], body, &[StatusCode::CREATED]).map(drop)
    }
}

impl<E: BlobExchange> BlobStorage for AccountClient<E> {
    fn properties(&self, blob: &BlobUri) -> Result<BlobProperties, StorageError> {
        let head = (Method::HEAD, blob.as_str());
        let answer = self.send(head, &[], (&[], BLOB_ERROR_BYTES_MAX), &[StatusCode::OK])?;
        let text = |name| text_of(answer.headers(), name);
        let len = text(CONTENT_LENGTH).and_then(|len| len.parse().ok());
        match (len, text(ETAG)) {
            (Some(len), Some(etag)) => Ok(BlobProperties { len, etag: etag.to_owned() }),
            _ => Err(StorageError::no_account()),
        }
    }

    fn read(&self, blob: &BlobUri, part: Range<u64>, etag: &str) -> Result<Vec<u8>, StorageError> {
        let last = part.end.saturating_sub(1);
        let range = format!("bytes={}-{last}", part.start);
        let headers = [(RANGE, range), (IF_MATCH, etag.to_owned())];
        let wanted = [StatusCode::OK, StatusCode::PARTIAL_CONTENT];
        let len = part.end.saturating_sub(part.start);
        let answer = self.send((Method::GET, blob.as_str()), &headers, (&[], len), &wanted)?;
        let read = answer.into_body();
        if read.len() as u64 == len {
            return Ok(read);
        }
        let reason = "the answer ends before its end".to_owned();
        Err(StorageError { reason, is_passing: true })
    }

    fn put_block(&self, blob: &BlobUri, id: &str, content: &[u8]) -> Result<(), StorageError> {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        self.put(&blob.with_query(&format!("comp=block&blockid={id}")), content)
    }

    fn put_block_list(&self, blob: &BlobUri, ids: &[String]) -> Result<(), StorageError> {
        self.put(&blob.with_query("comp=blocklist"), waiting_block_list(ids).as_bytes())
    }
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
