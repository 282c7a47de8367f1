//! What a scenario may say: every key is an option of the command line under another name, so that
//! ranges, defaults and meanings are said once, there.

/// A section of a scenario.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// Its keys, and what each is called among the arguments.
    pub(super) keys: &'static [(&'static str, &'static str)],
}

/// All sections.
pub(super) const SECTIONS: [Section; 7] = [
    Section {
        name: "connections",
        keys: &[
            ("count", "connections"),
            ("rate", "rate"),
            ("keep_alive", "keep_alive"),
            ("timeout", "timeout"),
        ],
    },
    Section { name: "hold", keys: &[("duration", "hold")] },
    Section {
        name: "telemetry",
        keys: &[
            ("per_second", "per_second"),
            ("per_device", "per_device"),
            ("closed", "closed"),
            ("protocol", "protocol"),
            ("gateway", "gateway"),
            ("qos", "qos"),
            ("payload", "payload"),
            ("per_segment", "per_segment"),
            ("batch", "batch"),
            ("inflight", "inflight"),
            ("warm_up", "warm_up"),
            ("duration", "duration"),
        ],
    },
    Section {
        name: "storm",
        keys: &[("return_rate", "return_rate"), ("calm", "calm"), ("tickets", "tickets")],
    },
    Section { name: "churn", keys: &[("per_second", "churn"), ("duration", "hold")] },
    Section {
        name: "conversation",
        keys: &[("methods", "methods"), ("patches", "patches"), ("c2d", "c2d")],
    },
    Section {
        name: "thresholds",
        keys: &[
            ("failures_max", "failures_max"),
            ("connect_p99_max", "connect_p99_max"),
            ("puback_p99_max", "puback_p99_max"),
            ("method_p99_max", "method_p99_max"),
            ("patch_p99_max", "patch_p99_max"),
            ("c2d_p99_max", "c2d_p99_max"),
        ],
    },
];
