//! What a request about containers and blobs asks for.

use http::Method;
use percent_encoding::percent_decode_str;
use ringhub_core::codec::http::RequestHead;
use ringhub_core::limits::{BLOB_PAGE_MAX, BLOCK_ID_CHARS_MAX};
use ringhub_core::storage::{BlobName, ContainerName, StorageQuery};

use super::StorageError;
use crate::api::Request;

/// Name of the storage account that every hub has of its own, and the first word of its paths.
///
/// The host of an account cannot name it, because hubs may be called by an address; so it stands in
/// the path, as emulators do it.
pub const ACCOUNT: &str = "ringhubstorage";

/// Whether a path, with a query or without, is one of the account.
#[must_use]
pub fn is_blob_path(path_and_query: &str) -> bool {
    let rest = path_and_query.strip_prefix('/').and_then(|path| path.strip_prefix(ACCOUNT));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Whether the body of a request is the bytes of a blob.
#[must_use]
pub fn is_streamed(head: &RequestHead<'_>) -> bool {
    if head.method != "PUT" || !is_blob_path(head.target) {
        return false;
    }
    let query = head.target.split_once('?').map_or("", |(_, query)| query);
    let query = StorageQuery::parse(query);
    query.get("restype").is_none() && matches!(query.get("comp"), None | Some("block"))
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    ListContainers(ListRequest),
    CreateContainer,
    ShowContainer,
    DeleteContainer,
    ListBlobs(ListRequest),
    PutBlob,
    /// Keeps a block under this id.
    PutBlock(String),
    PutBlockList,
    ShowBlockList,
    ReadBlob,
    DeleteBlob,
}

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListRequest {
    pub(super) prefix: String,
    pub(super) delimiter: String,
    pub(super) marker: String,
    pub(super) limit: usize,
    pub(super) with_metadata: bool,
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) container: Option<ContainerName>,
    pub(super) blob: Option<BlobName>,
}

impl Target {
    /// Reads a path of the account. It is decoded once; encoded slashes are slashes.
    pub(super) fn of(path: &str) -> Result<Self, StorageError> {
        let rest = path.trim_start_matches('/').strip_prefix(ACCOUNT).unwrap_or_default();
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let rest = percent_decode_str(rest).decode_utf8();
        let rest = rest.map_err(|_| ringhub_core::storage::InvalidName::Character)?;
        if rest.is_empty() {
            return Ok(Self { container: None, blob: None });
        }
        let (container, blob) = rest.split_once('/').unwrap_or((&rest, ""));
        let blob = if blob.is_empty() { None } else { Some(BlobName::parse(blob)?) };
        Ok(Self { container: Some(ContainerName::parse(container)?), blob })
    }
}

impl Operation {
    /// What a request asks for.
    pub(super) fn of(
        request: &Request,
        target: &Target,
        query: &StorageQuery,
    ) -> Result<Self, StorageError> {
        let comp = query.get("comp").unwrap_or_default();
        let of_container = query.get("restype") == Some("container");
        let method = request.method.as_str();
        match (target, method, comp) {
            (Target { container: None, .. }, "GET", "list") => {
                Ok(Self::ListContainers(ListRequest::of(query)?))
            }
            (Target { blob: None, container: Some(_) }, ..) if of_container => match (method, comp)
            {
                ("PUT", "") => Ok(Self::CreateContainer),
                ("GET", "list") => Ok(Self::ListBlobs(ListRequest::of(query)?)),
                ("GET" | "HEAD", "" | "metadata") => Ok(Self::ShowContainer),
                ("DELETE", "") => Ok(Self::DeleteContainer),
                _ => Err(StorageError::Unsupported),
            },
            (Target { blob: Some(_), .. }, ..) if !of_container => match (method, comp) {
                ("PUT", "") => check_put(request),
                ("PUT", "block") => Ok(Self::PutBlock(block_id(query)?)),
                ("PUT", "blocklist") => Ok(Self::PutBlockList),
                ("GET", "blocklist") => Ok(Self::ShowBlockList),
                ("GET" | "HEAD", "") | ("HEAD", "metadata") => Ok(Self::ReadBlob),
                ("DELETE", "") => Ok(Self::DeleteBlob),
                _ => Err(StorageError::Unsupported),
            },
            _ => Err(StorageError::Unsupported),
        }
    }
}

/// A copy from elsewhere would have the hub call whatever address a client names.
fn check_put(request: &Request) -> Result<Operation, StorageError> {
    if request.headers.contains_key("x-ms-copy-source") {
        return Err(StorageError::Unsupported);
    }
    let kind = request.headers.get("x-ms-blob-type").map(http::HeaderValue::as_bytes);
    if kind == Some(b"BlockBlob") { Ok(Operation::PutBlob) } else { Err(StorageError::BlobType) }
}

fn block_id(query: &StorageQuery) -> Result<String, StorageError> {
    let id = query.get("blockid").unwrap_or_default();
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=-_".contains(&b);
    if id.is_empty() || id.len() > BLOCK_ID_CHARS_MAX || !id.bytes().all(is_base64) {
        return Err(StorageError::BlockId);
    }
    Ok(id.to_owned())
}

impl ListRequest {
    fn of(query: &StorageQuery) -> Result<Self, StorageError> {
        let text = |name| query.get(name).unwrap_or_default().to_owned();
        let limit = match query.get("maxresults") {
            None => BLOB_PAGE_MAX,
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| *limit > 0);
                limit.ok_or(StorageError::Header("maxresults"))?
            }
        };
        let includes = text("include");
        Ok(Self {
            prefix: text("prefix"),
            delimiter: text("delimiter"),
            marker: text("marker"),
            limit: limit.min(BLOB_PAGE_MAX),
            with_metadata: includes.split(',').any(|word| word == "metadata"),
        })
    }
}

/// Whether the method asks for the head of an answer alone.
pub(super) fn is_head(request: &Request) -> bool {
    request.method == Method::HEAD
}
