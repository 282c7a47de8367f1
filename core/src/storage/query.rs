//! The query of a request to a storage account.

use percent_encoding::percent_decode_str;

/// Names and values of a query, decoded once; a plus sign stands for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageQuery(Vec<(String, String)>);

impl StorageQuery {
    /// Reads what follows the question mark; what is not UTF-8 is left out.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?.to_ascii_lowercase(), decoded(value)?))
        });
        Self(pairs.collect())
    }

    /// First value of a parameter, whose name is given in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value, or nothing where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Names in lower case, with their values.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}
