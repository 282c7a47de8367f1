//! What the resource provider is told by the process around it.

use std::sync::Arc;
use std::time::Duration;

use super::AdminToken;

/// How the resource provider is opened. The default is a provider that lets nobody in.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// What administrators prove themselves with; `None` lets nobody in.
    pub token: Option<Arc<AdminToken>>,
    /// Name of the Event-Hubs-compatible entity of each hub.
    pub event_hub: String,
    /// How long the hub of the configuration file keeps events.
    pub retention: Duration,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self { token: None, event_hub: String::new(), retention: Duration::from_hours(24) }
    }
}
