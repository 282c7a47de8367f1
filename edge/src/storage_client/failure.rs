//! What goes wrong with a request, in words that hold no signature.

use std::io;

use http::{HeaderMap, StatusCode};
use ringhub_control_plane::registry_job::StorageError;
use ureq::Timeout;

/// Name of the error of an answer.
const ERROR_CODE: &str = "x-ms-error-code";

/// Characters of it that are told.
const SHOWN_CHARS_MAX: usize = 64;

/// What an answer that is no success means.
pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap) -> StorageError {
    let code = headers.get(ERROR_CODE).and_then(|code| code.to_str().ok()).unwrap_or_default();
    let code: String = code.chars().take(SHOWN_CHARS_MAX).collect();
    let hint = match status {
        StatusCode::FORBIDDEN => {
            ": the shared access signature of the container is wrong, has expired, or lacks a right \
             (an export and the errors of an import need create and write, an import needs read)"
        }
        StatusCode::NOT_FOUND => ": there is no such container or blob",
        StatusCode::PRECONDITION_FAILED => ": it has changed since the import began",
        _ => "",
    };
    let joint = if code.is_empty() { "" } else { " " };
    let is_passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
    StorageError {
        reason: format!("the storage account answers {}{joint}{code}{hint}", status.as_u16()),
        is_passing,
    }
}

/// What the lack of an answer means. Texts of the library may hold the URI, so none of them is told
/// that may.
pub(super) fn of_exchange(error: &ureq::Error) -> StorageError {
    let passing = |reason: String| StorageError { reason, is_passing: true };
    let lasting = |reason: String| StorageError { reason, is_passing: false };
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            passing("the storage account cannot be reached in time".to_owned())
        }
        ureq::Error::Timeout(_) => {
            passing("the storage account does not answer in time".to_owned())
        }
        ureq::Error::HostNotFound => passing("the host name has no address".to_owned()),
        ureq::Error::ConnectionFailed => {
            passing("the storage account cannot be reached".to_owned())
        }
        ureq::Error::Rustls(error) => lasting(of_tls(error)),
        ureq::Error::Io(error) => of_io(error),
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) | ureq::Error::Http(_) => {
            lasting("the URI of the container cannot be used".to_owned())
        }
        ureq::Error::BodyExceedsLimit(_) => {
            lasting("the answer is longer than what was asked for".to_owned())
        }
        _ => passing("the storage account does not answer as one".to_owned()),
    }
}

/// What the break of an answer means.
pub(super) fn of_io(error: &io::Error) -> StorageError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => StorageError { reason: of_tls(error), is_passing: false },
        None => StorageError {
            reason: format!("the connection to the storage account fails: {error}"),
            is_passing: true,
        },
    }
}

fn of_tls(error: &rustls::Error) -> String {
    format!(
        "the storage account does not prove itself over TLS: {error}; storage.ca_file names the \
         authorities that are trusted"
    )
}
