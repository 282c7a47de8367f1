//! Names of configurations.

use std::fmt::{self, Display};

use ringhub_core::limits::CONFIGURATION_ID_BYTES_MAX;

use super::ConfigurationError;

/// Signs that an id may have besides lower-case letters and digits.
///
/// Source: control-plane reference, "Object" of configurations.
const SIGNS: &str = "-:+%_#*?!(),=@;$'";

/// The id of a configuration, which compares with case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConfigurationId(String);

impl ConfigurationId {
    /// # Errors
    /// [`ConfigurationError::Id`].
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigurationError> {
        let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || SIGNS.contains(c);
        let has_length = (1..=CONFIGURATION_ID_BYTES_MAX).contains(&text.len());
        if has_length && text.chars().all(is_good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ConfigurationError::Id)
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for ConfigurationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_and_short() {
        for good in ["a", "cfg-1", "0:+%_#*?!(),=@;$'", &"x".repeat(128)] {
            assert_eq!(ConfigurationId::parse(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "A", "a b", "a.b", "a/b", "a&b", "a^b", "a[b]", "ä", &"x".repeat(129)] {
            assert_eq!(ConfigurationId::parse(bad), Err(ConfigurationError::Id), "{bad}");
        }
    }
}
