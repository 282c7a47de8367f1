//! All values of a configuration, each with where it was said.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use super::certificate::Certificate;
use super::error::ConfigError;
use super::keys::{CERTIFICATE, SECTIONS};
use super::setting::Setting;
use super::{Config, Origin, environment, file, relations};

/// A value from the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Its name, such as `--mqtt-port`.
    pub name: &'static str,
    /// Section and key that it is another way to set.
    pub key: (&'static str, &'static str),
    /// What it was set to.
    pub value: Value,
}

/// The values of all keys: defaults, and over them what file, environment and command line say.
///
/// Every value was checked alone when it came; [`config`](Self::config) checks how they go
/// together.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) all: Vec<Setting>,
    pub(super) certificates: Vec<Certificate>,
}

impl Default for Settings {
    /// What holds where nothing is said.
    fn default() -> Self {
        let sections = SECTIONS.iter().filter(|section| section.name != CERTIFICATE.name);
        let keys = sections.flat_map(|section| section.keys.iter().map(|key| (*section, key)));
        Self {
            all: keys.map(|(section, key)| Setting::default_of(section, key)).collect(),
            certificates: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the defaults, the file at `path` where one is named, the `environment` and the
    /// `arguments`, in this order: what comes later stands over what comes earlier.
    ///
    /// # Errors
    /// [`ConfigError`]: names where the value was said, the key, and what is allowed there.
    pub fn read(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        arguments: &[Argument],
    ) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        if let Some(path) = path {
            let text = fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
            file::read(&mut settings, path, &text)?;
        }
        environment::read(&mut settings, environment)?;
        for Argument { name, key: (section, key), value } in arguments {
            let origin = Origin::Argument(name);
            settings.put(Setting::find(section, key, value.clone(), origin)?)?;
        }
        Ok(settings)
    }

    /// The configuration that they make together.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`]: values that do not go together.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut root = Table::new();
        for setting in &self.all {
            let section = root.entry(setting.section.name).or_insert_with(|| Table::new().into());
            if let Value::Table(section) = section {
                setting.insert_into(section);
            }
        }
        if let Some(Value::Table(tls)) = root.get_mut("tls") {
            let certificates = self.certificates.iter().map(Certificate::table).collect();
            tls.insert("certificate".to_owned(), Value::Array(certificates));
        }
        let config = Config::deserialize(root).map_err(|error| ConfigError::Invalid {
            origin: Origin::Default,
            message: error.message().to_owned(),
        })?;
        relations::check(&config).map_err(|broken| ConfigError::Invalid {
            origin: self.latest(broken.keys),
            message: broken.rule,
        })?;
        Ok(config)
    }

    /// Sets a key of a section that stands once, after checking the value alone.
    pub(super) fn put(&mut self, new: Setting) -> Result<(), ConfigError> {
        new.check()?;
        if let Some(old) = self.all.iter_mut().find(|old| old.is_same_key(&new)) {
            *old = new;
        }
        Ok(())
    }

    /// Where the last of `keys` was said, each by section and name: that is the one to mend.
    fn latest(&self, keys: &[(&str, &str)]) -> Origin {
        let is_meant = |setting: &&Setting| keys.contains(&setting.name());
        let plain = self.all.iter().filter(is_meant).map(|setting| &setting.origin);
        let has_certificates = keys.iter().any(|(section, _)| *section == CERTIFICATE.name);
        let certificates = self.certificates.iter().filter(|_| has_certificates);
        let all = plain.chain(certificates.map(|certificate| &certificate.origin));
        all.max().cloned().unwrap_or(Origin::Default)
    }
}
