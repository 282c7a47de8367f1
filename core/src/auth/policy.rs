//! Shared access policies: named key pairs with rights on a whole hub.

use core::fmt;
use core::ops::BitOr;

/// Rights of a policy; a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// Reads identities and statistics.
    pub const REGISTRY_READ: Self = Self(1);
    /// Writes identities; implies reading them.
    pub const REGISTRY_WRITE: Self = Self(2 | Self::REGISTRY_READ.0);
    /// Uses the endpoints of back ends: device events, C2D, twins, methods.
    pub const SERVICE_CONNECT: Self = Self(4);
    /// Uses the endpoints of devices, as any device.
    pub const DEVICE_CONNECT: Self = Self(8);

    /// Every right there is: what the owner of a hub holds.
    pub const ALL: Self =
        Self(Self::REGISTRY_WRITE.0 | Self::SERVICE_CONNECT.0 | Self::DEVICE_CONNECT.0);

    /// True when every right in `needed` is in this set.
    #[must_use]
    pub const fn allow(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// The set as a number, as it is stored.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Takes a stored number; bits without a meaning are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        let mut set = bits & 0b1111;
        if set & 2 != 0 {
            set |= Self::REGISTRY_WRITE.0;
        }
        Self(set)
    }
}

/// The rights as policies list them, joined by commas, such as `RegistryRead, ServiceConnect`.
///
/// Source: service-endpoints reference, "Shared access policies".
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::REGISTRY_READ, "RegistryRead"),
            (Self::REGISTRY_WRITE, "RegistryWrite"),
            (Self::SERVICE_CONNECT, "ServiceConnect"),
            (Self::DEVICE_CONNECT, "DeviceConnect"),
        ];
        let held = names.into_iter().filter(|(right, _)| self.allow(*right));
        held.enumerate().try_for_each(|(at, (_, name))| {
            let joint = if at == 0 { "" } else { ", " };
            write!(f, "{joint}{name}")
        })
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A policy that every new hub has, as `(name, rights)`.
pub type DefaultPolicy = (&'static str, Permissions);

/// The five policies of a new hub.
///
/// Source: service-endpoints reference, "Shared access policies".
pub const DEFAULT_POLICIES: [DefaultPolicy; 5] = [
    ("iothubowner", Permissions::ALL),
    ("service", Permissions::SERVICE_CONNECT),
    ("device", Permissions::DEVICE_CONNECT),
    ("registryRead", Permissions::REGISTRY_READ),
    ("registryReadWrite", Permissions::REGISTRY_WRITE),
];

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Permissions = Permissions::REGISTRY_READ;
    const WRITE: Permissions = Permissions::REGISTRY_WRITE;
    const SERVICE: Permissions = Permissions::SERVICE_CONNECT;
    const DEVICE: Permissions = Permissions::DEVICE_CONNECT;

    #[test]
    fn rights_have_the_names_of_the_service() {
        assert_eq!(Permissions::NONE.to_string(), "");
        assert_eq!((READ | SERVICE).to_string(), "RegistryRead, ServiceConnect");
        let all = "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect";
        assert_eq!(Permissions::ALL.to_string(), all);
    }

    #[test]
    fn default_policies_allow_what_the_reference_lists() {
        let table = [
            ("iothubowner", [true, true, true, true]),
            ("service", [false, false, true, false]),
            ("device", [false, false, false, true]),
            ("registryRead", [true, false, false, false]),
            ("registryReadWrite", [true, true, false, false]),
        ];
        for ((name, rights), (expected_name, expected)) in DEFAULT_POLICIES.into_iter().zip(table) {
            assert_eq!(name, expected_name);
            assert_eq!([READ, WRITE, SERVICE, DEVICE].map(|p| rights.allow(p)), expected, "{name}");
        }
    }

    #[test]
    fn stored_rights_keep_their_meaning() {
        for rights in [Permissions::NONE, READ, WRITE, SERVICE, DEVICE, WRITE | DEVICE] {
            assert_eq!(Permissions::from_bits(rights.bits()), rights);
        }
        assert_eq!(Permissions::from_bits(0b1111_0010), WRITE);
    }
}
