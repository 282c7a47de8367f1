//! Refusals as storage clients read them.
//!
//! Source: Azure Storage REST API, "Blob service error codes", "Common REST API error codes".

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use ringhub_core::limits::{
    BLOB_METADATA_BYTES_MAX, BLOCK_ID_CHARS_MAX, BLOCKS_MAX, BLOCKS_WAITING_MAX,
};
use ringhub_core::storage::{Escaped, InvalidBlockList, InvalidName, SignatureRefused};

use super::answer;
use crate::api::Response;

const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

/// Why a request about blobs is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Nothing proves that the client may ask.
    #[error("the request has neither a signature nor a key")]
    NoAuthentication,
    /// What should prove it does not.
    #[error("Server failed to authenticate the request: {0}")]
    Authentication(SignatureRefused),
    /// The signature is for something else.
    #[error("the signature does not permit this operation")]
    Permission,
    /// No hub, or no account of this name.
    #[error("no account of a hub has this address")]
    Resource,
    /// No container of this name.
    #[error("the container does not exist")]
    ContainerNotFound,
    /// There is one already.
    #[error("the container exists already")]
    ContainerExists,
    /// No blob of this name.
    #[error("the blob does not exist")]
    BlobNotFound,
    /// There is one already.
    #[error("the blob exists already")]
    BlobExists,
    /// It has changed.
    #[error("the condition of a header is not met")]
    Condition,
    /// The client has what it asks for.
    #[error("the blob has not changed")]
    NotModified,
    /// A name that none can have.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A block that is not there.
    #[error("the list names a block that is not there")]
    BlockList,
    /// No list.
    #[error(transparent)]
    BlockListBody(#[from] InvalidBlockList),
    /// The name of a block that none can have.
    #[error("a block's id is base64 of at most {BLOCK_ID_CHARS_MAX} characters")]
    BlockId,
    /// More blocks wait than may.
    #[error("more than {BLOCKS_WAITING_MAX} blocks wait for their list")]
    TooManyBlocks,
    /// The body has no length.
    #[error("a body needs Content-Length")]
    Length,
    /// Bytes that the blob does not have.
    #[error("the range is not one of the blob, which has {0} bytes")]
    Range(u64),
    /// More metadata than may be.
    #[error("metadata has at most {BLOB_METADATA_BYTES_MAX} bytes")]
    Metadata,
    /// Blobs of a kind that is not known here.
    #[error("only block blobs are kept here: x-ms-blob-type must be BlockBlob")]
    BlobType,
    /// A header with a value that means nothing.
    #[error("the value of header {0} is invalid")]
    Header(&'static str),
    /// A part of the service that is not built.
    #[error("this endpoint does not have this operation")]
    Unsupported,
    /// The hub keeps as much as it may.
    #[error(
        "the blobs of this hub may have {0} bytes, and this would be more: delete some, or raise \
         `file_upload.quota`"
    )]
    Quota(u64),
    /// There is no room on the disk.
    #[error("the disk is full")]
    DiskFull,
    /// Too much is under way.
    #[error("too many requests are under way: try again")]
    Busy,
    /// The disk does not do what it should.
    #[error("the blob could not be read or written")]
    Internal,
}

impl StorageError {
    /// Status and code.
    #[must_use]
    pub const fn code(&self) -> (u16, &'static str) {
        match self {
            Self::NoAuthentication => (401, "NoAuthenticationInformation"),
            Self::Authentication(_) => (403, "AuthenticationFailed"),
            Self::Permission => (403, "AuthorizationPermissionMismatch"),
            Self::Resource => (404, "ResourceNotFound"),
            Self::ContainerNotFound => (404, "ContainerNotFound"),
            Self::ContainerExists => (409, "ContainerAlreadyExists"),
            Self::BlobNotFound => (404, "BlobNotFound"),
            Self::BlobExists => (409, "BlobAlreadyExists"),
            Self::Condition => (412, "ConditionNotMet"),
            Self::NotModified => (304, "ConditionNotMet"),
            Self::Name(_) => (400, "InvalidResourceName"),
            Self::BlockList => (400, "InvalidBlockList"),
            Self::BlockListBody(InvalidBlockList::TooLong) => (400, "BlockListTooLong"),
            Self::BlockListBody(InvalidBlockList::Malformed) => (400, "InvalidXmlDocument"),
            Self::BlockId => (400, "InvalidBlockId"),
            Self::TooManyBlocks => (409, "BlockCountExceedsLimit"),
            Self::Length => (411, "MissingContentLengthHeader"),
            Self::Range(_) => (416, "InvalidRange"),
            Self::Metadata => (400, "MetadataTooLarge"),
            Self::BlobType => (400, "InvalidBlobType"),
            Self::Header(_) => (400, "InvalidHeaderValue"),
            Self::Unsupported => (501, "NotImplemented"),
            Self::Quota(_) => (413, "RequestBodyTooLarge"),
            Self::DiskFull => (507, "InsufficientStorage"),
            Self::Busy => (503, "ServerBusy"),
            Self::Internal => (500, "InternalError"),
        }
    }

    /// The answer that tells the client.
    #[must_use]
    pub fn response(&self) -> Response {
        let (status, code) = self.code();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = self.to_string();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Error><Code>{code}</Code><Message>{}\
             </Message></Error>",
            Escaped(&text)
        );
        let mut response = answer::empty(status);
        response.headers.insert(ERROR_CODE, HeaderValue::from_static(code));
        response.headers.insert(CONTENT_TYPE, answer::XML);
        if let Self::Range(size) = self
            && let Ok(value) = HeaderValue::try_from(format!("bytes */{size}"))
        {
            response.headers.insert(http::header::CONTENT_RANGE, value);
        }
        response.body = Bytes::from(body);
        response
    }
}

const _: () = assert!(BLOCKS_MAX as u64 <= BLOCKS_WAITING_MAX);
