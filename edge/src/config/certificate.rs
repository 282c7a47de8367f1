//! One `[[tls.certificate]]`, while it is read.

use toml::{Table, Value};

use super::Origin;
use super::error::ConfigError;
use super::setting::Setting;

/// Keys that it cannot be without.
const REQUIRED: [&str; 2] = ["certificate_file", "key_file"];

/// The keys of one certificate that were said.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// Where it begins.
    pub(super) origin: Origin,
    pub(super) settings: Vec<Setting>,
}

impl Certificate {
    /// Checks each value alone, and that none is missing.
    pub(super) fn new(origin: Origin, settings: Vec<Setting>) -> Result<Self, ConfigError> {
        settings.iter().try_for_each(Setting::check)?;
        let is_said = |name: &&&str| settings.iter().any(|setting| setting.key.name == **name);
        if let Some(missing) = REQUIRED.iter().find(|name| !is_said(name)) {
            let message = format!("`tls.certificate.{missing}` is missing beside the others");
            return Err(ConfigError::Invalid { origin, message });
        }
        Ok(Self { origin, settings })
    }

    /// As it stands in a file.
    pub(super) fn table(&self) -> Value {
        let mut table = Table::new();
        self.settings.iter().for_each(|setting| setting.insert_into(&mut table));
        Value::Table(table)
    }
}
