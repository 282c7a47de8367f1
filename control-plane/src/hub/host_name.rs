//! What may be the name of a hub.

use super::HubError;

/// Longest name of a host (RFC 1123).
const LENGTH_MAX: usize = 253;
/// Longest label of it.
const LABEL_LENGTH_MAX: usize = 63;

/// Checks a name by the rules for hosts, which make it safe in paths, certificates and addresses.
/// Returns it in lower case.
pub(super) fn check(name: &str) -> Result<String, HubError> {
    let is_label = |label: &str| {
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= LENGTH_MAX && name.split('.').all(is_label) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(HubError::Name(name.chars().take(LENGTH_MAX).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_hosts() {
        for good in ["a", "hub.example.net", "127.0.0.5", "My-Hub.local", &"a".repeat(63)] {
            assert_eq!(check(good).unwrap(), good.to_ascii_lowercase());
        }
        let long = format!("{}.net", "a.".repeat(130));
        for bad in
            ["", ".", "a.", "..", "../a", "a/b", "a b", "-a", "a-", "é", "[::1]", "a:1", &long]
        {
            assert!(matches!(check(bad), Err(HubError::Name(_))), "{bad}");
        }
        assert!(check(&"a".repeat(64)).is_err());
    }
}
