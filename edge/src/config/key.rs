//! One key of the configuration, and one section of keys.

use toml::Value;

use super::Allowed;

/// A section of the file.
#[derive(Debug)]
pub struct Section {
    /// As it stands between the brackets.
    pub name: &'static str,
    /// What it is about.
    pub meaning: &'static str,
    /// Its keys, in the order in which they are shown.
    pub keys: &'static [Key],
}

/// A key with all that there is to say about it.
#[derive(Debug)]
pub struct Key {
    /// As it stands before the `=`.
    pub name: &'static str,
    /// As it stands behind the `=`.
    pub default: &'static str,
    /// What it may be set to, with its unit.
    pub allowed: Allowed,
    /// What it does.
    pub meaning: &'static str,
    /// What it costs, or what another value would.
    pub cost: &'static str,
}

impl Section {
    /// The key of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Name of the variable that stands over `key`: dots of the section, and the border between
    /// section and key, are two underscores, because names hold single ones.
    #[must_use]
    pub fn variable(&self, key: &Key) -> String {
        let section = self.name.replace('.', "__");
        format!("RINGHUB_{section}__{}", key.name).to_uppercase()
    }
}

impl Key {
    /// The default as a value.
    #[must_use]
    pub fn default_value(&self) -> Value {
        // A text that is no TOML stays as it is and is refused as such; a test reads every default.
        self.default.parse().unwrap_or_else(|_| Value::from(self.default))
    }
}
