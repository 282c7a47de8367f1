//! One key with its value, and where that was said.

use toml::{Table, Value};

use super::error::ConfigError;
use super::{Key, Origin, SECTIONS, Section};

/// One key with its value.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) section: &'static Section,
    pub(super) key: &'static Key,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Setting {
    pub(super) fn default_of(section: &'static Section, key: &'static Key) -> Self {
        Self { section, key, value: key.default_value(), origin: Origin::Default }
    }

    /// The setting of a key by its name; a section or key that there is not is refused.
    pub(super) fn find(
        section: &str,
        key: &str,
        value: Value,
        origin: Origin,
    ) -> Result<Self, ConfigError> {
        let section = find_section(section, &origin)?;
        let Some(key) = section.key(key) else {
            let known = section.keys.iter().map(|key| key.name);
            return Err(ConfigError::unknown("key", key, known, origin));
        };
        Ok(Self { section, key, value, origin })
    }

    /// Checks the value alone.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Self { section, key, value, origin } = self;
        if key.allowed.permits(value) {
            return Ok(());
        }
        let (section, name, must) = (section.name, key.name, key.allowed.description());
        let message = format!("`{section}.{name}` is {value}, but must be {must}");
        Err(ConfigError::Invalid { origin: origin.clone(), message })
    }

    /// Section and key.
    pub(super) const fn name(&self) -> (&'static str, &'static str) {
        (self.section.name, self.key.name)
    }

    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        self.name() == other.name()
    }

    pub(super) fn insert_into(&self, table: &mut Table) {
        table.insert(self.key.name.to_owned(), self.value.clone());
    }
}

/// The section of that name; one that there is not is refused.
pub(super) fn find_section(name: &str, origin: &Origin) -> Result<&'static Section, ConfigError> {
    SECTIONS.iter().find(|known| known.name == name).copied().ok_or_else(|| {
        let known = SECTIONS.iter().map(|section| section.name);
        ConfigError::unknown("section", name, known, origin.clone())
    })
}
