//! Which hub an AMQP connection is for.

use std::net::IpAddr;
use std::sync::Arc;

use ringhub_control_plane::directory::{Directory, Hub};

/// The one hub of a connection, once something has named it.
///
/// The host name of `open` decides if it is that of a hub. Clients behind gateways and proxies name
/// another host, an address or none: then the first credential that counts decides, and without one
/// that names a hub it is the hub of the configuration, or after an unknown name the only hub.
/// Everything that is for another hub later is refused.
///
/// Source: device-endpoints reference, "Connection start"; service-endpoints reference, "Transport
/// values".
#[derive(Debug, Default)]
pub(super) struct HubChoice {
    hub: Option<Arc<Hub>>,
    dialled: Option<Box<str>>,
}

impl HubChoice {
    /// Takes the host name of `open`.
    pub(super) fn dial(&mut self, hostname: Option<&str>, directory: &Directory) {
        self.dialled = hostname.map(Into::into);
        let named = hostname.and_then(|host| {
            let is_alias = host.eq_ignore_ascii_case("localhost");
            directory.hub_by_host(host).filter(|_| !is_alias)
        });
        if named.is_some() {
            self.hub = named;
        }
    }

    /// A credential is good for `hub`. False if the connection is for another one.
    pub(super) fn claim(&mut self, hub: &Arc<Hub>) -> bool {
        self.hub.get_or_insert_with(|| Arc::clone(hub)).id == hub.id
    }

    /// The hub that was named.
    pub(super) fn named(&self) -> Option<&Arc<Hub>> {
        self.hub.as_ref()
    }

    /// The hub that was named or is meant, if there is one; the name that was dialled if not.
    pub(super) fn meant(&self, directory: &Directory) -> Result<Arc<Hub>, &str> {
        if let Some(hub) = &self.hub {
            return Ok(Arc::clone(hub));
        }
        let host = self.dialled.as_deref().unwrap_or("localhost");
        let is_address = host.parse::<IpAddr>().is_ok();
        let name = if is_address { "localhost" } else { host };
        let named = directory.hub_by_host(name);
        named.or_else(|| directory.only_hub()).ok_or(host)
    }
}
