//! What goes wrong with a request, in words that hold no signature.

use std::io;

use ringhub_control_plane::registry_job::StorageError;
use ureq::Timeout;

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
            StorageError::unusable_uri()
        }
        ureq::Error::BodyExceedsLimit(_) => {
            lasting("the answer is longer than what was asked for".to_owned())
        }
        _ => passing("the storage account does not answer as one".to_owned()),
    }
}

/// What the break of an answer means.
fn of_io(error: &io::Error) -> StorageError {
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
