//! Containers and blobs by their URIs.

use std::fmt;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ringhub_core::limits::CONTAINER_URI_BYTES_MAX;

/// What names of blobs may hold as they are, slashes between folders included.
const NAME: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A container of a storage account, with the signature that opens it.
///
/// Shown without its query: whoever sees that may use the container.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ContainerUri(String);

/// Why a text is no container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidContainer {
    #[error("is longer than {CONTAINER_URI_BYTES_MAX} bytes")]
    TooLong,
    #[error("is no URI")]
    NotUri,
    #[error("is not https: all endpoints use TLS")]
    NotHttps,
    #[error("names no container: https://ACCOUNT/CONTAINER?SAS is needed")]
    NoContainer,
    #[error("has a user name or a password; a shared access signature is needed instead")]
    UserName,
}

impl ContainerUri {
    /// Takes an `https` URI with a path.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidContainer> {
        let text = text.trim();
        if text.len() > CONTAINER_URI_BYTES_MAX {
            return Err(InvalidContainer::TooLong);
        }
        if text.contains('#') {
            return Err(InvalidContainer::NotUri);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidContainer::NotUri)?;
        let authority = uri.authority().ok_or(InvalidContainer::NotUri)?;
        if !uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) {
            return Err(InvalidContainer::NotHttps);
        }
        if authority.as_str().contains('@') {
            return Err(InvalidContainer::UserName);
        }
        let is_container = !uri.path().trim_matches('/').is_empty();
        let is_folder = uri.path().split('/').any(|part| matches!(part, "." | ".."));
        if !is_container || is_folder || authority.host().is_empty() {
            return Err(InvalidContainer::NoContainer);
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A blob of the container.
    pub(crate) fn blob(&self, name: &str) -> BlobUri {
        let (container, query) = self.0.split_once('?').unwrap_or((&self.0, ""));
        let name = utf8_percent_encode(name, NAME);
        let place = format!("{}/{name}", container.trim_end_matches('/'));
        let uri = if query.is_empty() { place.clone() } else { format!("{place}?{query}") };
        BlobUri { uri, place }
    }

    /// The same without the signature: for those who may see it, and for the time after the job.
    pub(crate) fn without_signature(&self) -> Self {
        let Some((container, query)) = self.0.split_once('?') else { return self.clone() };
        let is_secret = |pair: &&str| pair.split('=').next().is_some_and(is_signature);
        let left: Vec<_> = query.split('&').filter(|pair| !is_secret(pair)).collect();
        if left.is_empty() {
            return Self(container.to_owned());
        }
        Self(format!("{container}?{}", left.join("&")))
    }
}

fn is_signature(name: &str) -> bool {
    name.eq_ignore_ascii_case("sig")
}

impl fmt::Debug for ContainerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split('?').next().unwrap_or_default())
    }
}

/// A blob of a storage account, with the signature that opens it.
///
/// `Display` and `Debug` show it without its query: whoever sees that may use the blob.
#[derive(Clone, PartialEq, Eq)]
pub struct BlobUri {
    uri: String,
    place: String,
}

impl BlobUri {
    /// The whole URI: `https`, with the query that opens the blob.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The URI with one more part in its query.
    #[must_use]
    pub fn with_query(&self, part: &str) -> String {
        let joint = if self.uri.contains('?') { '&' } else { '?' };
        format!("{}{joint}{part}", self.uri)
    }
}

impl fmt::Display for BlobUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl fmt::Debug for BlobUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_https_and_has_a_path() {
        for (text, expected) in [
            ("https://a.blob.example/c?sv=1&sig=x%2By", None),
            (" HTTPS://127.0.0.1:10000/account/c/?sig=x\n", None),
            ("http://a.blob.example/c?sig=x", Some(InvalidContainer::NotHttps)),
            ("https://a.blob.example/?sig=x", Some(InvalidContainer::NoContainer)),
            ("https://a.blob.example/c/../d", Some(InvalidContainer::NoContainer)),
            ("https://me:word@a.blob.example/c", Some(InvalidContainer::UserName)),
            ("/c?sig=x", Some(InvalidContainer::NotUri)),
            ("https://a.blob.example/c#d", Some(InvalidContainer::NotUri)),
            ("DefaultEndpointsProtocol=https;AccountName=a", Some(InvalidContainer::NotHttps)),
            ("", Some(InvalidContainer::NotUri)),
        ] {
            assert_eq!(ContainerUri::parse(text).err(), expected, "{text}");
        }
        let long = format!("https://a/{}", "c".repeat(CONTAINER_URI_BYTES_MAX));
        assert_eq!(ContainerUri::parse(&long), Err(InvalidContainer::TooLong));
    }

    #[test]
    fn a_blob_has_the_query_of_its_container_and_shows_none() {
        let container = ContainerUri::parse("https://a.example/c/?sv=1&sig=x%2By").unwrap();
        let blob = container.blob("a b/ü.txt");
        assert_eq!(blob.as_str(), "https://a.example/c/a%20b/%C3%BC.txt?sv=1&sig=x%2By");
        assert_eq!(blob.to_string(), "https://a.example/c/a%20b/%C3%BC.txt");
        assert_eq!(format!("{blob:?} {container:?}"), format!("{blob} https://a.example/c/"));
        assert!(blob.with_query("comp=block").ends_with("&comp=block"));
        assert_eq!(container.without_signature().as_str(), "https://a.example/c/?sv=1");
        let bare = ContainerUri::parse("https://a.example/c").unwrap();
        assert_eq!(bare.blob("d").with_query("comp=block"), "https://a.example/c/d?comp=block");
    }
}
