//! Why a signature does not let a request in.

/// What is wrong with it. The text never holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefused {
    /// A field is missing or cannot be read.
    #[error("the signature lacks {0}, or it cannot be read")]
    Malformed(&'static str),
    /// Something that signatures may have and this endpoint does not know.
    #[error("signatures with {0} are not supported")]
    Unsupported(&'static str),
    /// It was made with another key, or for something else.
    #[error("the signature is not that of the request and the key of the account")]
    Signature,
    /// Its time has not come.
    #[error("the signature does not count yet")]
    NotYet,
    /// Its time is over.
    #[error("the signature has expired")]
    Expired,
}
