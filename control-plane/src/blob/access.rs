//! Who may do what.

use http::header::{AUTHORIZATION, DATE};
use ringhub_core::storage::{
    AccountSas, BlobRights, BlobTarget, ServiceSas, SharedKeyRequest, SignatureRefused,
    StorageQuery, check_shared_key,
};
use ringhub_core::time::UnixMillis;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::operation::{ACCOUNT, Operation, Target};
use super::{StorageError, conditions::Conditions};
use crate::api::Request;

/// Checks the signature of a request. Returns what it may do with `target`.
pub(super) fn rights(
    request: &Request,
    target: &Target,
    query: &StorageQuery,
    key: &[u8],
    now: UnixMillis,
) -> Result<BlobRights, StorageError> {
    let checked = if let Some(checked) = signature_rights(target, query, key, now) {
        checked
    } else if request.headers.contains_key(AUTHORIZATION) {
        shared_key(request, query, key, now).map(|()| BlobRights::ALL)
    } else {
        return Err(StorageError::NoAuthentication);
    };
    checked.map_err(StorageError::Authentication)
}

/// What the signature of a query allows; `None` where there is none.
fn signature_rights(
    target: &Target,
    query: &StorageQuery,
    key: &[u8],
    now: UnixMillis,
) -> Option<Result<BlobRights, SignatureRefused>> {
    let (container, blob) = (target.container.as_ref(), target.blob.as_ref());
    let target = BlobTarget { account: ACCOUNT, container, blob };
    if let Some(sas) = ServiceSas::of(query) {
        return Some(sas.check(key, target, now));
    }
    Some(AccountSas::of(query)?.check(key, target, now))
}

/// Whether the signature of a query was made with `key`, be it good for anything or not.
pub(super) fn is_signed_with(key: &[u8], target: &Target, query: &StorageQuery) -> bool {
    // Whatever else is wrong is found only after that.
    let is_strange = |why: &SignatureRefused| {
        matches!(why, SignatureRefused::Signature | SignatureRefused::Malformed("sv"))
    };
    match signature_rights(target, query, key, UnixMillis::from_millis(0)) {
        None => false,
        Some(checked) => !checked.as_ref().is_err_and(is_strange),
    }
}

fn shared_key(
    request: &Request,
    query: &StorageQuery,
    key: &[u8],
    now: UnixMillis,
) -> Result<(), SignatureRefused> {
    let headers = &request.headers;
    let date = headers.get("x-ms-date").or_else(|| headers.get(DATE));
    let date = date.and_then(|date| date.to_str().ok()).map(|date| date.replace("GMT", "+0000"));
    let date = date.and_then(|date| OffsetDateTime::parse(&date, &Rfc2822).ok());
    let date = date.map(OffsetDateTime::unix_timestamp);
    let signed =
        SharedKeyRequest { method: request.method.as_str(), path: request.path(), query, headers };
    check_shared_key(signed, ACCOUNT, key, (date, now.as_secs()))
}

/// Checks that `rights` are enough; who may only make what is not there gets that as a condition.
pub(super) fn check(
    operation: &Operation,
    rights: BlobRights,
    conditions: Conditions,
) -> Result<Conditions, StorageError> {
    let is_enough = match operation {
        Operation::ListContainers(_) | Operation::ListBlobs(_) => rights.list,
        Operation::ShowContainer => rights.read || rights.list,
        Operation::CreateContainer | Operation::DeleteContainer => rights.owner,
        Operation::ReadBlob | Operation::ShowBlockList => rights.read,
        Operation::DeleteBlob => rights.delete,
        Operation::PutBlock(_) => rights.write || rights.create,
        Operation::PutBlob | Operation::PutBlockList => {
            if rights.create && !rights.write {
                return Ok(conditions.and_is_new());
            }
            rights.write
        }
    };
    if is_enough { Ok(conditions) } else { Err(StorageError::Permission) }
}
