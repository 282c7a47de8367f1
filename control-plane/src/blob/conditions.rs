//! Headers that make a request depend on the tag of a blob.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};

use super::StorageError;
use super::answer::etag_text;

/// A tag, or whatever there is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tag {
    Any,
    This(String),
}

impl Tag {
    fn of(headers: &HeaderMap, name: http::HeaderName) -> Option<Self> {
        let text = headers.get(name)?.to_str().ok()?.trim();
        Some(match text {
            "*" => Self::Any,
            text => Self::This(text.trim_matches('"').to_owned()),
        })
    }

    fn is(&self, etag: u64) -> bool {
        match self {
            Self::Any => true,
            Self::This(text) => *text == etag_text(etag),
        }
    }
}

/// `If-Match` and `If-None-Match`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    matches: Option<Tag>,
    matches_not: Option<Tag>,
}

impl Conditions {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let [matches, matches_not] = [IF_MATCH, IF_NONE_MATCH].map(|name| Tag::of(headers, name));
        Self { matches, matches_not }
    }

    /// A write that only makes what is not there.
    pub(super) fn and_is_new(self) -> Self {
        Self { matches_not: Some(Tag::Any), ..self }
    }

    /// Whether a write may replace what has `etag`; `None` where there is nothing.
    pub(super) fn check_write(&self, etag: Option<u64>) -> Result<(), StorageError> {
        match (&self.matches_not, etag) {
            (Some(Tag::Any), Some(_)) => return Err(StorageError::BlobExists),
            (Some(tag), Some(etag)) if tag.is(etag) => return Err(StorageError::Condition),
            _ => {}
        }
        match (&self.matches, etag) {
            (Some(_), None) => Err(StorageError::Condition),
            (Some(tag), Some(etag)) if !tag.is(etag) => Err(StorageError::Condition),
            _ => Ok(()),
        }
    }

    /// Whether a read may have what has `etag`.
    pub(super) fn check_read(&self, etag: u64) -> Result<(), StorageError> {
        if self.matches.as_ref().is_some_and(|tag| !tag.is(etag)) {
            return Err(StorageError::Condition);
        }
        if self.matches_not.as_ref().is_some_and(|tag| tag.is(etag)) {
            return Err(StorageError::NotModified);
        }
        Ok(())
    }
}
