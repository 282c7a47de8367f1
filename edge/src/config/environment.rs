//! Variables of the environment that stand over the file.

use super::certificate::Certificate;
use super::error::ConfigError;
use super::keys::{CERTIFICATE, SECTIONS};
use super::setting::Setting;
use super::settings::Settings;
use super::{Key, Origin, Section};

/// What all of them begin with.
const PREFIX: &str = "RINGHUB_";

/// Stands in names between section and key. Variables for other ends have no such pair: those of
/// the commands, and those that orchestrators make up from the names of services.
const BORDER: &str = "__";

/// A short name, for the variable that is set by hand most often.
const LEVEL: (&str, &str) = ("RINGHUB_LOG", "RINGHUB_LOGGING__LEVEL");

/// Puts what `variables` say over `settings`.
///
/// Those of `tls.certificate` make one certificate, which stands in the place of those of the file.
pub(super) fn read(
    settings: &mut Settings,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let mut certificate = Vec::new();
    let mut variables: Vec<_> = variables.into_iter().collect();
    // The short name comes first, so that the full one stands over it.
    variables.sort_by_key(|(name, _)| name != LEVEL.0);
    for (name, text) in variables {
        let Some((section, key)) = meant(&name)? else { continue };
        let value = key.allowed.read(&text);
        let setting = Setting { section, key, value, origin: Origin::Variable(name) };
        if section.name == CERTIFICATE.name {
            certificate.push(setting);
        } else {
            settings.put(setting)?;
        }
    }
    if let Some(first) = certificate.first() {
        let origin = first.origin.clone();
        settings.certificates = vec![Certificate::new(origin, certificate)?];
    }
    Ok(())
}

/// The key that a variable is for; `None` when it is for something else.
fn meant(name: &str) -> Result<Option<(&'static Section, &'static Key)>, ConfigError> {
    let name = if name == LEVEL.0 { LEVEL.1 } else { name };
    let Some(rest) = name.strip_prefix(PREFIX) else { return Ok(None) };
    let keys =
        || SECTIONS.iter().flat_map(|section| section.keys.iter().map(|key| (*section, key)));
    let found = keys().find(|(section, key)| section.variable(key) == name);
    let single = |text: &str| text.replace(BORDER, "_");
    let is_meant = |known: &str| single(known) == single(name);
    let known: Vec<String> = keys().map(|(section, key)| section.variable(key)).collect();
    if found.is_some() || !(rest.contains(BORDER) || known.iter().any(|known| is_meant(known))) {
        return Ok(found);
    }
    let known = known.iter().map(String::as_str);
    Err(ConfigError::unknown("variable", name, known, Origin::Variable(name.to_owned())))
}
