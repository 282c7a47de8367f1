//! The configuration file, read with the line of each value.

use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use super::Origin;
use super::certificate::Certificate;
use super::error::ConfigError;
use super::keys::CERTIFICATE;
use super::setting::{Setting, find_section};
use super::settings::Settings;

/// Key of the section `tls` below which the certificates stand.
const CERTIFICATES: (&str, &str) = ("tls", "certificate");

/// Puts what `text` says, the content of `path`, over `settings`.
pub(super) fn read(settings: &mut Settings, path: &Path, text: &str) -> Result<(), ConfigError> {
    let file = File { path, text };
    let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        origin: file.origin(error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    for (section, content) in document.get_ref() {
        let origin = file.origin(section.span().start);
        let name = section.get_ref();
        let Some(keys) = content.get_ref().as_table() else {
            let message = format!("`{name}` stands outside of any section, such as [hub]");
            return Err(ConfigError::Invalid { origin, message });
        };
        find_section(name, &origin)?;
        for (key, value) in keys {
            let (key, origin) = (key.get_ref().as_ref(), file.origin(key.span().start));
            if (name.as_ref(), key) == CERTIFICATES {
                settings.certificates = file.certificates(value, &origin)?;
            } else {
                settings.put(file.setting(name, key, value, origin)?)?;
            }
        }
    }
    Ok(())
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn origin(&self, offset: usize) -> Origin {
        Origin::in_file(self.path, self.text, offset)
    }

    fn certificates(
        &self,
        value: &Spanned<DeValue<'_>>,
        origin: &Origin,
    ) -> Result<Vec<Certificate>, ConfigError> {
        let tables = value
            .get_ref()
            .as_array()
            .map(|all| all.iter().map(|one| (one, one.get_ref().as_table())));
        let refused = || ConfigError::Invalid {
            origin: origin.clone(),
            message: "write `[[tls.certificate]]`, once for each certificate".to_owned(),
        };
        let mut certificates = Vec::new();
        for (element, table) in tables.ok_or_else(refused)? {
            let mut settings = Vec::new();
            for (key, value) in table.ok_or_else(refused)? {
                let origin = self.origin(key.span().start);
                settings.push(self.setting(CERTIFICATE.name, key.get_ref(), value, origin)?);
            }
            certificates.push(Certificate::new(self.origin(element.span().start), settings)?);
        }
        Ok(certificates)
    }

    fn setting(
        &self,
        section: &str,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        origin: Origin,
    ) -> Result<Setting, ConfigError> {
        let value = Value::deserialize(ValueDeserializer::from(value.clone()));
        let value = value.map_err(|error| ConfigError::Syntax {
            origin: origin.clone(),
            message: error.message().to_owned(),
        })?;
        let mut setting = Setting::find(section, key, value, origin)?;
        let allowed = setting.key.allowed;
        if let Value::String(name) = &mut setting.value
            && allowed.is_path(name)
        {
            self.resolve(name);
        }
        Ok(setting)
    }

    /// Takes a relative name from the folder of the file, wherever the process was started.
    fn resolve(&self, name: &mut String) {
        let folder = self.path.parent().unwrap_or_else(|| Path::new(""));
        if !name.is_empty()
            && let Ok(path) = folder.join(&*name).into_os_string().into_string()
        {
            *name = path;
        }
    }
}
