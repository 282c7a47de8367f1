//! Whose keys a hub takes.

/// Keys that tokens may be signed with. Counts for credentials that are shown from now on.
///
/// Source: control-plane reference, "Bearer tokens".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRules {
    /// Those of shared access policies.
    pub policies: bool,
    /// Those of devices.
    pub devices: bool,
    /// Those of modules.
    pub modules: bool,
}

impl Default for KeyRules {
    /// All of them.
    fn default() -> Self {
        Self { policies: true, devices: true, modules: true }
    }
}
