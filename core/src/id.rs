//! Names and numbers of the things that a hub is made of.

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU16;
use std::sync::Arc;

use crate::limits::ID_LEN_MAX;

/// Number of a hub within the process; part of every key from the first day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubId(pub u32);

/// Number of an edge thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// Number of a partition executor thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutorId(pub u16);

/// Number of a D2C partition within its hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u16);

/// A D2C partition within the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubPartition {
    /// The hub.
    pub hub: HubId,
    /// Which of its partitions.
    pub partition: PartitionId,
}

/// MQTT packet identifier, never zero (MQTT 3.1.1 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub NonZeroU16);

/// One live connection: where its driver runs and which of the slot's successive owners it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Shard whose thread owns the connection.
    pub shard: ShardId,
    /// Place in that shard's connection table.
    pub slot: u32,
    /// Rises each time the slot is reused, so that a late message never reaches the next owner.
    pub generation: u32,
}

/// What one connected identity sits on: a place on a connection. An MQTT connection has one seat,
/// an AMQP connection has one for each identity that uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeatId {
    /// The connection that carries the seat.
    pub connection: ConnectionId,
    /// Which of the connection's seats it is. Not used again on the same connection, so that a late
    /// message never reaches the next identity.
    pub number: u32,
}

impl SeatId {
    /// The seat of a connection that has exactly one.
    #[must_use]
    pub const fn only(connection: ConnectionId) -> Self {
        Self { connection, number: 0 }
    }
}

/// As logs name it: the connection, and the number if it is not the first.
impl fmt::Display for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => self.connection.fmt(f),
            number => write!(f, "{}#{number}", self.connection),
        }
    }
}

/// As logs name it: shard, slot and generation.
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.shard.0, self.slot, self.generation)
    }
}

/// Why a text is not a device or module id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Empty, or longer than [`ID_LEN_MAX`].
    #[error("an id has 1 to 128 characters, this one has {0}")]
    Length(usize),
    /// A character outside the permitted set.
    #[error("an id holds ASCII letters, digits and - : . + % _ # * ? ! ( ) , = @ ; $ ' only")]
    Character,
}

/// Checks the rules for device and module ids.
///
/// # Errors
/// [`InvalidId`] for a wrong length or character.
///
/// Source: control-plane reference, "Id rules".
pub fn check_id(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() || text.len() > ID_LEN_MAX {
        return Err(InvalidId::Length(text.len()));
    }
    let permitted = |b: u8| b.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@;$'".contains(&b);
    if text.bytes().all(permitted) { Ok(()) } else { Err(InvalidId::Character) }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text that follows the id rules.
            ///
            /// # Errors
            /// [`InvalidId`] for a wrong length or character.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check_id(text)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// Name of a device within its hub, case-sensitive.
    DeviceId
}

text_id! {
    /// Name of a module within its device, case-sensitive.
    ModuleId
}

text_id! {
    /// Name of a scheduled job within its hub, case-sensitive.
    JobId
}

/// A device, or one of its modules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The device, or the device that the module belongs to.
    pub device: DeviceId,
    /// The module; `None` is the device itself.
    pub module: Option<ModuleId>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            None => self.device.fmt(f),
            Some(module) => write!(f, "{}/{module}", self.device),
        }
    }
}

/// A text is not the name of a consumer group that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a consumer group is named by 1 to 50 ASCII letters, digits, `-`, `_` and `.`")]
pub struct InvalidConsumerGroup;

/// Named set of reader cursors over all partitions. Names compare without case and are shown as
/// they were given.
#[derive(Clone, Debug)]
pub struct ConsumerGroup(Arc<str>);

impl ConsumerGroup {
    /// Name of the group that every hub has.
    pub const DEFAULT: &str = "$Default";

    /// Takes a name as a client spelled it; that of the group of every hub has one spelling.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let is_default = name.eq_ignore_ascii_case(Self::DEFAULT);
        Self(if is_default { Self::DEFAULT } else { name }.into())
    }

    /// Takes the name of a group that is to be made.
    ///
    /// # Errors
    /// [`InvalidConsumerGroup`] when a client could not address it.
    pub fn parse(name: &str) -> Result<Self, InvalidConsumerGroup> {
        let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let good = (1..=50).contains(&name.len()) && name.bytes().all(permitted);
        if good { Ok(Self::new(name)) } else { Err(InvalidConsumerGroup) }
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it is compared.
    fn lower_case(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for ConsumerGroup {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ConsumerGroup {}

impl Ord for ConsumerGroup {
    fn cmp(&self, other: &Self) -> Ordering {
        self.lower_case().cmp(other.lower_case())
    }
}

impl PartialOrd for ConsumerGroup {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ConsumerGroup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower_case().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xff);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_follow_the_rules() {
        for good in ["a", "urn:dev:1", "x-._%*?!(),:=@$'+#;", &"a".repeat(128)] {
            assert_eq!(check_id(good), Ok(()), "{good}");
        }
        assert_eq!(check_id(""), Err(InvalidId::Length(0)));
        assert_eq!(check_id(&"a".repeat(129)), Err(InvalidId::Length(129)));
        for bad in ["a b", "a/b", "ä", "a\0"] {
            assert_eq!(check_id(bad), Err(InvalidId::Character), "{bad}");
        }
    }

    #[test]
    fn consumer_groups_compare_without_case_and_keep_it() {
        let [cold, other] = ["Cold", "coLD"].map(ConsumerGroup::new);
        assert_eq!((cold.as_str(), other.as_str()), ("Cold", "coLD"));
        assert_eq!((&cold, cold.cmp(&other)), (&other, Ordering::Equal));
        assert_eq!(HashSet::from([cold.clone(), other]).len(), 1);
        assert!(cold < ConsumerGroup::new("cold-1") && ConsumerGroup::new("Warm") > cold);
        assert_eq!(ConsumerGroup::new("$default").as_str(), "$Default");
    }

    #[test]
    fn consumer_groups_that_can_be_made_follow_the_rule() {
        for good in ["a", "Cold-1_x.y", &"g".repeat(50)] {
            assert_eq!(ConsumerGroup::parse(good), Ok(ConsumerGroup::new(good)), "{good}");
        }
        for bad in ["", "$Default", "a b", "a/b", "ä", &"g".repeat(51)] {
            assert_eq!(ConsumerGroup::parse(bad), Err(InvalidConsumerGroup), "{bad}");
        }
    }
}
