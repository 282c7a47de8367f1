//! Subscriptions of one identity as a set of flags.
//!
//! The hub has few filters, so a subscription is two bits: none, QoS 0 or QoS 1. The set fits the
//! identity entry of the directory and the store.

use super::topic::{TopicError, strip_identity};
use crate::codec::mqtt::Qos;
use crate::id::Identity;

/// Filters that the hub knows (device-endpoints reference 2.6), with their place in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SubscriptionKind {
    /// `devices/{d}[/modules/{m}]/messages/devicebound/#`
    DeviceBound = 0,
    /// `devices/{d}/modules/{m}/inputs/#`
    ModuleInputs = 1,
    /// `devices/{d}/modules/{m}/#`: the two above at once.
    ModuleAll = 2,
    /// `$iothub/methods/POST/#`
    Methods = 3,
    /// `$iothub/twin/res/#`
    TwinResponses = 4,
    /// `$iothub/twin/PATCH/properties/desired/#`
    DesiredProperties = 5,
}

impl SubscriptionKind {
    /// Reads a filter as `identity` uses it; `None` is a filter that never matches anything.
    ///
    /// # Errors
    /// [`TopicError::Foreign`] for messages of another identity: close the connection.
    pub fn parse(filter: &str, identity: &Identity) -> Result<Option<Self>, TopicError> {
        Ok(match filter {
            "$iothub/methods/POST/#" => Some(Self::Methods),
            "$iothub/twin/res/#" => Some(Self::TwinResponses),
            "$iothub/twin/PATCH/properties/desired/#" => Some(Self::DesiredProperties),
            _ => match filter.strip_prefix("devices/") {
                Some(rest) => Self::parse_own(strip_identity(rest, identity)?, identity),
                None => None,
            },
        })
    }

    fn parse_own(filter: &str, identity: &Identity) -> Option<Self> {
        let is_module = identity.module.is_some();
        match filter.strip_suffix('#')? {
            "" if is_module => Some(Self::ModuleAll),
            "inputs/" if is_module => Some(Self::ModuleInputs),
            // Old documents spell it `deviceBound`; any case is accepted.
            rest if rest.eq_ignore_ascii_case("messages/devicebound/") => Some(Self::DeviceBound),
            _ => None,
        }
    }
}

/// Set of subscriptions, at most QoS 1 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subscriptions(u16);

impl Subscriptions {
    const USED: u16 = 0x0fff;

    /// No subscription.
    pub const NONE: Self = Self(0);

    /// The set as it is stored.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// Restores a stored set; bits without meaning are dropped.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::USED)
    }

    /// Adds a subscription or changes its QoS, and gives the QoS that is granted: at most 1.
    pub fn insert(&mut self, kind: SubscriptionKind, requested: Qos) -> Qos {
        let granted = requested.min(Qos::AtLeastOnce);
        self.remove(kind);
        self.0 |= (granted as u16 + 1) << Self::shift(kind);
        granted
    }

    /// Removes a subscription.
    pub const fn remove(&mut self, kind: SubscriptionKind) {
        self.0 &= !(0b11 << Self::shift(kind));
    }

    /// QoS of exactly this filter.
    #[must_use]
    pub const fn qos(self, kind: SubscriptionKind) -> Option<Qos> {
        match self.0 >> Self::shift(kind) & 0b11 {
            0 => None,
            1 => Some(Qos::AtMostOnce),
            _ => Some(Qos::AtLeastOnce),
        }
    }

    /// QoS of C2D messages, by either of the two filters that match them.
    #[must_use]
    pub fn device_bound(self) -> Option<Qos> {
        self.qos(SubscriptionKind::DeviceBound).max(self.qos(SubscriptionKind::ModuleAll))
    }

    /// QoS of messages to module inputs, by either of the two filters that match them.
    #[must_use]
    pub fn module_inputs(self) -> Option<Qos> {
        self.qos(SubscriptionKind::ModuleInputs).max(self.qos(SubscriptionKind::ModuleAll))
    }

    const fn shift(kind: SubscriptionKind) -> u32 {
        kind as u32 * 2
    }
}

#[cfg(test)]
mod tests {
    use super::super::topic::tests::{device, module};
    use super::SubscriptionKind as Kind;
    use super::*;

    #[test]
    fn reads_the_filters_of_a_device() {
        let cases = [
            ("devices/d/messages/devicebound/#", Ok(Some(Kind::DeviceBound))),
            ("devices/d/messages/deviceBound/#", Ok(Some(Kind::DeviceBound))),
            ("$iothub/methods/POST/#", Ok(Some(Kind::Methods))),
            ("$iothub/twin/res/#", Ok(Some(Kind::TwinResponses))),
            ("$iothub/twin/PATCH/properties/desired/#", Ok(Some(Kind::DesiredProperties))),
            ("devices/d/messages/devicebound/", Ok(None)),
            ("devices/d/#", Ok(None)),
            ("devices/d/inputs/#", Ok(None)),
            ("#", Ok(None)),
            ("+/d/messages/devicebound/#", Ok(None)),
            ("$iothub/#", Ok(None)),
            ("devices/+/messages/devicebound/#", Err(TopicError::Foreign)),
            ("devices/e/messages/devicebound/#", Err(TopicError::Foreign)),
            ("devices/d/modules/m/#", Err(TopicError::Foreign)),
            ("devices/#", Err(TopicError::Foreign)),
        ];
        for (filter, expected) in cases {
            assert_eq!(Kind::parse(filter, &device()), expected, "{filter}");
        }
    }

    #[test]
    fn reads_the_filters_of_a_module() {
        let cases = [
            ("devices/d/modules/m/#", Ok(Some(Kind::ModuleAll))),
            ("devices/d/modules/m/inputs/#", Ok(Some(Kind::ModuleInputs))),
            ("devices/d/modules/m/messages/devicebound/#", Ok(Some(Kind::DeviceBound))),
            ("devices/d/modules/n/#", Err(TopicError::Foreign)),
            ("devices/d/messages/devicebound/#", Err(TopicError::Foreign)),
        ];
        for (filter, expected) in cases {
            assert_eq!(Kind::parse(filter, &module()), expected, "{filter}");
        }
    }

    #[test]
    fn keeps_the_qos_of_each_kind_over_storing() {
        let mut set = Subscriptions::NONE;
        assert_eq!(set.insert(Kind::Methods, Qos::AtMostOnce), Qos::AtMostOnce);
        assert_eq!(set.insert(Kind::TwinResponses, Qos::ExactlyOnce), Qos::AtLeastOnce);
        let set = Subscriptions::from_bits(set.to_bits());
        assert_eq!(set.qos(Kind::Methods), Some(Qos::AtMostOnce));
        assert_eq!(set.qos(Kind::TwinResponses), Some(Qos::AtLeastOnce));
        assert_eq!(set.qos(Kind::DeviceBound), None);
        assert_eq!(Subscriptions::from_bits(u16::MAX).to_bits(), Subscriptions::USED);
    }

    #[test]
    fn the_last_qos_of_a_filter_counts() {
        let mut set = Subscriptions::NONE;
        set.insert(Kind::Methods, Qos::AtLeastOnce);
        set.insert(Kind::Methods, Qos::AtMostOnce);
        assert_eq!(set.qos(Kind::Methods), Some(Qos::AtMostOnce));
        set.remove(Kind::Methods);
        assert_eq!(set, Subscriptions::NONE);
    }

    #[test]
    fn the_module_filter_matches_inputs_and_device_bound_messages() {
        let mut set = Subscriptions::NONE;
        set.insert(Kind::ModuleAll, Qos::AtMostOnce);
        assert_eq!(set.device_bound(), Some(Qos::AtMostOnce));
        assert_eq!(set.module_inputs(), Some(Qos::AtMostOnce));
        set.insert(Kind::ModuleInputs, Qos::AtLeastOnce);
        assert_eq!(set.device_bound(), Some(Qos::AtMostOnce));
        assert_eq!(set.module_inputs(), Some(Qos::AtLeastOnce));
        set.remove(Kind::ModuleAll);
        assert_eq!((set.device_bound(), set.module_inputs()), (None, Some(Qos::AtLeastOnce)));
    }
}
