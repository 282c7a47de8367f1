//! Devices and modules as the store keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringhub_core::id::{DeviceId, ModuleId};
use ringhub_core::time::UnixMillis;

use crate::credentials::Credentials;
use crate::directory::{GenerationId, IdentityRecord, Status};

/// Version of an identity; rises with every change and starts anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ETag(pub(crate) u64);

impl ETag {
    /// The tag as clients see it, without quotes: base64 of a decimal number.
    ///
    /// Source: control-plane reference, "ETag rules".
    pub(crate) fn text(self) -> String {
        STANDARD.encode(self.0.to_string())
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A device of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) generation: GenerationId,
    pub(crate) etag: ETag,
    pub(crate) status: Status,
    pub(crate) status_reason: Option<String>,
    /// When the status last changed; `None` is never.
    pub(crate) status_updated: Option<UnixMillis>,
    pub(crate) credentials: Credentials,
    pub(crate) iot_edge: bool,
    pub(crate) device_scope: Option<String>,
    pub(crate) parent_scope: Option<String>,
    pub(crate) subscriptions: u32,
}

impl Device {
    /// The scope of an edge device, which others name as their parent.
    ///
    /// Source: control-plane reference, "Device object".
    pub(crate) fn edge_scope(&self) -> String {
        format!("ms-azure-iot-edge://{}-{}", self.id, self.generation.0)
    }

    pub(crate) fn directory_record(&self) -> IdentityRecord {
        IdentityRecord {
            generation: self.generation,
            credentials: self.credentials.clone(),
            subscriptions: self.subscriptions,
        }
    }
}

/// A module of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) device: DeviceId,
    pub(crate) id: ModuleId,
    pub(crate) generation: GenerationId,
    pub(crate) etag: ETag,
    pub(crate) managed_by: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) subscriptions: u32,
}

impl Module {
    pub(crate) fn directory_record(&self) -> IdentityRecord {
        IdentityRecord {
            generation: self.generation,
            credentials: self.credentials.clone(),
            subscriptions: self.subscriptions,
        }
    }
}
