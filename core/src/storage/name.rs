//! Names of containers and blobs.
//!
//! Source: Azure Storage REST API, "Naming and referencing containers, blobs, and metadata".

use crate::limits::BLOB_NAME_CHARS_MAX;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not a container's.
    #[error(
        "a container is called by 3 to 63 lower-case letters, digits and single hyphens, which \
         stand between letters or digits"
    )]
    Container,
    /// Too short or too long.
    #[error("a blob's name has 1 to {BLOB_NAME_CHARS_MAX} characters, the device's id included")]
    Length,
    /// Means something else as a path.
    #[error("a segment of a blob's name must not be empty, `.` or `..`, nor end with a dot")]
    Segment,
    /// A character that no address can have.
    #[error("a blob's name has no control characters and no backslash")]
    Character,
}

/// The name of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName(Box<str>);

impl ContainerName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidName::Container`].
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let is_good = (3..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && text.split('-').all(|part| !part.is_empty());
        if is_good { Ok(Self(text.into())) } else { Err(InvalidName::Container) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a blob, decoded.
///
/// No segment of it means anything to a file system or a browser: what could is refused, although
/// the hub never makes a path of a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(Box<str>);

impl BlobName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidName`].
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        // Characters are at least a byte: long texts are not counted.
        if text.is_empty()
            || text.len() > 4 * BLOB_NAME_CHARS_MAX
            || text.chars().count() > BLOB_NAME_CHARS_MAX
        {
            return Err(InvalidName::Length);
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(InvalidName::Character);
        }
        if text.split('/').any(|segment| segment.is_empty() || segment.ends_with('.')) {
            return Err(InvalidName::Segment);
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_as_a_path_are_refused() {
        for good in
            ["a", "d/logs/a b.txt", ".profile", "d/...x", "日本/ö", "a%2e", "..a", "a/b c.txt"]
        {
            assert!(BlobName::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", InvalidName::Length),
            ("..", InvalidName::Segment),
            ("d/../e", InvalidName::Segment),
            ("d/./e", InvalidName::Segment),
            ("d//e", InvalidName::Segment),
            ("/etc/passwd", InvalidName::Segment),
            ("d/", InvalidName::Segment),
            ("d.", InvalidName::Segment),
            ("d\\e", InvalidName::Character),
            ("d\0", InvalidName::Character),
            ("d\n", InvalidName::Character),
        ] {
            assert_eq!(BlobName::parse(bad), Err(why), "{bad:?}");
        }
        let long = "ö".repeat(BLOB_NAME_CHARS_MAX);
        assert!(BlobName::parse(&long).is_ok());
        assert_eq!(BlobName::parse(&format!("{long}x")), Err(InvalidName::Length));
    }

    #[test]
    fn containers_have_the_names_of_the_service() {
        for good in ["abc", "uploads", "a-1-b", "123"] {
            assert!(ContainerName::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "ab", "Uploads", "a--b", "-ab", "ab-", "a.b", "$root", "a/b", long.as_str()]
        {
            assert_eq!(ContainerName::parse(bad), Err(InvalidName::Container), "{bad}");
        }
    }
}
