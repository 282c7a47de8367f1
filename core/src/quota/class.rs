//! Kinds of operations that have a rate of their own.

/// A kind of operations whose rate is limited apart from the others.
///
/// Source: control-plane reference, "Rates".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationClass {
    /// Telemetry: a PUBLISH, a transfer, an HTTP request, whatever number of messages it has.
    D2cSends,
    /// Devices and modules that connect over MQTT or AMQP.
    Connections,
    /// Messages to devices.
    C2dSends,
    /// Requests of devices for a message over HTTP.
    C2dReceives,
    /// Uploads that begin.
    FileUploads,
    /// Payloads of method calls, in steps.
    DirectMethods,
    /// Pages of queries.
    Queries,
    /// Reads of twins, by devices and back ends.
    TwinReads,
    /// Changes of twins, by devices and back ends.
    TwinUpdates,
    /// Operations on identities; each item of a bulk request is one.
    IdentityRegistry,
    /// Requests about jobs.
    Jobs,
    /// Devices that jobs do something to.
    JobDevices,
    /// Requests about configurations.
    Configurations,
}

impl OperationClass {
    /// How many there are.
    pub const COUNT: usize = Self::Configurations as usize + 1;

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::D2cSends,
        Self::Connections,
        Self::C2dSends,
        Self::C2dReceives,
        Self::FileUploads,
        Self::DirectMethods,
        Self::Queries,
        Self::TwinReads,
        Self::TwinUpdates,
        Self::IdentityRegistry,
        Self::Jobs,
        Self::JobDevices,
        Self::Configurations,
    ];

    /// Its name among the numbers of the hub.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::D2cSends => "d2c_sends",
            Self::Connections => "connections",
            Self::C2dSends => "c2d_sends",
            Self::C2dReceives => "c2d_receives",
            Self::FileUploads => "file_uploads",
            Self::DirectMethods => "direct_methods",
            Self::Queries => "queries",
            Self::TwinReads => "twin_reads",
            Self::TwinUpdates => "twin_updates",
            Self::IdentityRegistry => "identity_registry",
            Self::Jobs => "jobs",
            Self::JobDevices => "job_devices",
            Self::Configurations => "configurations",
        }
    }

    /// Whether hubs of basic tiers do not have it.
    #[must_use]
    pub const fn is_standard_only(self) -> bool {
        matches!(
            self,
            Self::C2dSends
                | Self::C2dReceives
                | Self::DirectMethods
                | Self::TwinReads
                | Self::TwinUpdates
                | Self::Jobs
                | Self::JobDevices
                | Self::Configurations
        )
    }
}
