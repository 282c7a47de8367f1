//! What the resource provider is told by the process around it.

use std::sync::Arc;

use super::AdminToken;

/// How the resource provider is opened. The default is a provider that lets nobody in.
#[derive(Clone, Debug, Default)]
pub struct ProviderSettings {
    /// What administrators prove themselves with; `None` lets nobody in.
    pub token: Option<Arc<AdminToken>>,
    /// Name of the Event-Hubs-compatible entity of each hub.
    pub event_hub: String,
    /// What the names of hubs that are made end with, without the dot before it.
    pub domain: String,
}
