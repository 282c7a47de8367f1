//! Bounds of configurations.

use core::time::Duration;

/// Longest id of a configuration in bytes. Longer: refused as a bad argument.
///
/// Source: control-plane reference, "Object" of configurations.
pub const CONFIGURATION_ID_BYTES_MAX: usize = 128;

/// Most configurations of a hub for devices and modules, and as many for edge devices. One more:
/// refused with `ConfigurationCountLimitExceeded`.
///
/// Source: control-plane reference, "Behaviour" of configurations.
pub const CONFIGURATIONS_MAX: usize = 100;

/// Most bytes of content, labels, condition and metrics of a configuration together: all of them
/// are kept in memory. More: refused as content that cannot be.
pub const CONFIGURATION_BYTES_MAX: usize = 256 * 1024;

/// Most metrics that a configuration has of its own. More: refused as a metric that cannot be.
///
/// Source: control-plane reference, "Object" of configurations.
pub const CONFIGURATION_METRICS_MAX: usize = 5;

/// Most modules in the content of one configuration. More: refused as content that cannot be.
///
/// Source: control-plane reference, "Behaviour" of configurations.
pub const CONFIGURATION_MODULES_MAX: usize = 50;

/// Time for which the store's writer evaluates configurations before others get their turn; it ends
/// with the identity that is under way.
pub const CONFIGURATION_TURN: Duration = Duration::from_millis(2);

/// Most identities that one turn evaluates, and that one step of a scan finds.
pub const CONFIGURATION_TURN_IDENTITIES_MAX: usize = 32;

/// How often an identity is evaluated because of what configurations themselves have written. Then
/// it stays as it is until something else changes: conditions may contradict each other's content.
pub const CONFIGURATION_ROUNDS_MAX: u8 = 8;

/// Time that the metrics of one read of configurations may take. Over: those that are left have no
/// result.
pub const CONFIGURATION_METRICS_TIME_MAX: Duration = Duration::from_secs(10);
