//! Names of hubs.

use std::fmt;

/// The name of a hub as a resource, and the first part of the host name of a hub that was made
/// through the resource provider. Names compare without case.
#[derive(Clone, Debug)]
pub(crate) struct HubName(Box<str>);

/// Why a text is no name of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an IoT hub name has 3 to 50 letters, digits and -, is not all digits, and neither begins nor \
     ends with -"
)]
pub(crate) struct InvalidHubName;

impl HubName {
    /// Takes a name.
    ///
    /// # Errors
    /// [`InvalidHubName`] for a text that cannot be one.
    ///
    /// Source: control-plane reference, "Frame".
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidHubName> {
        let good = (3..=50).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !text.bytes().all(|b| b.is_ascii_digit())
            && !text.starts_with('-')
            && !text.ends_with('-');
        if good { Ok(Self(text.into())) } else { Err(InvalidHubName) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for HubName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_reference() {
        for good in ["abc", "a-1", "Hub", "0a0", "12-3", &"x".repeat(50)] {
            assert_eq!(HubName::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "ab", "123", "-abc", "abc-", "a_c", "a.c", "a c", "äbc", &"x".repeat(51)] {
            assert!(HubName::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(HubName::parse("Hub"), HubName::parse("hUB"));
    }
}
