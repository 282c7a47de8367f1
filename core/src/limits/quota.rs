//! Bounds of quotas and throttles.

use core::time::Duration;

/// How much of its rate a class of operations may use at once, where the configuration says nothing
/// else. Beyond it operations wait.
///
/// Source: control-plane reference, "Traffic shaping".
pub const QUOTA_BURST: Duration = Duration::from_secs(60);

/// Longest wait of an operation that comes too early, where the configuration says nothing else. An
/// operation that would wait for longer is refused.
///
/// Source: control-plane reference, "Traffic shaping".
pub const QUOTA_WAIT_MAX: Duration = Duration::from_secs(10);

/// Requests of a hub, other than telemetry and connects, that may wait for their time. More are
/// refused as those that would wait for too long. Telemetry waits in its connection.
pub const QUOTA_WAITING_MAX: u32 = 1024;

/// Messages that a shard may take at a time out of what the day still has, to use them without
/// another thread. Fewer when the day has few left, and none is lost to the others.
pub const QUOTA_LEASE_MESSAGES: u64 = 64;

/// Places of a hub for what shards have taken. Shards with the same place share it.
pub const QUOTA_LEASES: usize = 16;

/// How long a device that is refused a message over MQTT is not read before its connection is
/// closed: MQTT has no other word for it, and a device that comes back at once would cost more than
/// its messages do.
pub const QUOTA_CLOSE_DELAY: Duration = Duration::from_secs(5);

/// How often what a hub has used of its day is stored. A process that is killed forgets what was
/// used since.
pub const QUOTA_SAVE_INTERVAL: Duration = Duration::from_secs(1);
