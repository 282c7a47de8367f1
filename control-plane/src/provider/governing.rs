//! What governs a hub among the properties that are kept as they came.
//!
//! They are kept once, as text, and read again whenever the hub is loaded or changed: so what a
//! client reads back and what the hub does cannot differ.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::ProviderError;
use super::resource::Resource;
use super::storage::file_upload;
use crate::api::Members;
use crate::directory::KeyRules;
use crate::file_upload::FileUpload;

/// What the kept properties of a hub mean.
#[derive(Clone, Debug, Default)]
pub(crate) struct Governing {
    pub(crate) file_upload: Arc<FileUpload>,
    pub(crate) keys: KeyRules,
}

impl Governing {
    /// Reads and checks the properties.
    ///
    /// # Errors
    /// [`ProviderError`] that names the member.
    pub(super) fn of(kept: &Map<String, Value>) -> Result<Self, ProviderError> {
        let members = Members::from(kept);
        let allows = |name| members.flag(name).map(|is_off| is_off != Some(true));
        let keys = KeyRules {
            policies: allows("disableLocalAuth")?,
            devices: allows("disableDeviceSAS")?,
            modules: allows("disableModuleSAS")?,
        };
        Ok(Self { file_upload: Arc::new(file_upload(kept)?), keys })
    }

    /// Reads the text that is kept of a hub. Nothing of it governs where it is none, as that of a
    /// hub which the provider has never changed.
    pub(crate) fn of_text(text: &str) -> Self {
        let Ok(resource) = serde_json::from_str::<Resource>(text) else { return Self::default() };
        Self::of(&resource.properties).unwrap_or_else(|error| {
            tracing::warn!(hub = resource.name, %error, "what a hub keeps of its settings is unusable");
            Self::default()
        })
    }
}
