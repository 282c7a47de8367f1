//! Arguments that name a device, a module, or either.

use clap::Args;

use super::identity::Identity;

/// Arguments that name an identity.
pub(super) trait Named: Args {
    /// The identity.
    fn identity(&self) -> Identity;
}

/// The id of a device.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct DeviceName {
    /// Id of the device
    #[arg(long, short, value_name = "ID")]
    pub(super) device_id: String,
}

/// The two ids of a module.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct ModuleName {
    /// Id of the device
    #[arg(long, short, value_name = "ID")]
    pub(super) device_id: String,
    /// Id of the module
    #[arg(long, short, value_name = "ID")]
    pub(super) module_id: String,
}

/// A device, or a module of it.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct AnyName {
    /// Id of the device
    #[arg(long, short, value_name = "ID")]
    device_id: String,
    /// Id of a module of that device, in place of the device itself
    #[arg(long, short, value_name = "ID")]
    module_id: Option<String>,
}

impl Named for DeviceName {
    fn identity(&self) -> Identity {
        Identity::device(&self.device_id)
    }
}

impl Named for ModuleName {
    fn identity(&self) -> Identity {
        Identity::module(&self.device_id, &self.module_id)
    }
}

impl Named for AnyName {
    fn identity(&self) -> Identity {
        Identity { device: self.device_id.clone(), module: self.module_id.clone() }
    }
}
