//! What a job is to do.

use serde::{Deserialize, Serialize};

use super::{BlobUri, ContainerUri};

/// Names of blobs that nothing is said of.
///
/// Source: control-plane reference, "Import / export jobs (v1 jobs)".
const DEVICES: &str = "devices.txt";
const CONFIGURATIONS: &str = "configurations.txt";
const ERRORS: &str = "importErrors.log";

/// Which way identities go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RegistryJobKind {
    Export,
    Import,
}

impl RegistryJobKind {
    /// The kind as clients spell it.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Import => "import",
        }
    }
}

/// A job as it was asked for; kept as JSON in one column, without signatures once it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistryJobRequest {
    pub(crate) kind: RegistryJobKind,
    /// Where an import reads.
    pub(crate) input: Option<ContainerUri>,
    pub(crate) input_blob: Option<String>,
    /// Where an export writes, and an import its errors.
    pub(crate) output: ContainerUri,
    pub(crate) output_blob: Option<String>,
    pub(crate) exclude_keys: bool,
    pub(crate) include_configurations: bool,
    pub(crate) configurations_blob: Option<String>,
}

impl RegistryJobRequest {
    /// The blob that an import reads.
    pub(crate) fn input(&self) -> BlobUri {
        let container = self.input.as_ref().unwrap_or(&self.output);
        container.blob(self.input_blob.as_deref().unwrap_or(DEVICES))
    }

    /// The blob that an export writes, or that of the errors of an import.
    pub(crate) fn output(&self) -> BlobUri {
        let default = match self.kind {
            RegistryJobKind::Export => DEVICES,
            RegistryJobKind::Import => ERRORS,
        };
        self.output.blob(self.output_blob.as_deref().unwrap_or(default))
    }

    /// The blob of the configurations, if they come along.
    pub(crate) fn configurations(&self) -> Option<BlobUri> {
        let name = self.configurations_blob.as_deref().unwrap_or(CONFIGURATIONS);
        let container = match self.kind {
            RegistryJobKind::Export => &self.output,
            RegistryJobKind::Import => self.input.as_ref().unwrap_or(&self.output),
        };
        self.include_configurations.then(|| container.blob(name))
    }

    /// The same without signatures.
    pub(crate) fn without_signatures(&self) -> Self {
        Self {
            input: self.input.as_ref().map(ContainerUri::without_signature),
            output: self.output.without_signature(),
            ..self.clone()
        }
    }
}

impl Serialize for ContainerUri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ContainerUri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
