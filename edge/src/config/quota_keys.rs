//! The keys of `[quota]`.

use std::time::Duration;

use super::Allowed::{Auto, Duration as Time, Number};
use super::{Allowed, Key, Section};

const OWN_RATE: Allowed = Auto(&Number { min: 1, max: 1_000_000, unit: "operations" });
const OWN_MESSAGES: Allowed = Auto(&Number { min: 1, max: 1_000_000_000_000, unit: "messages" });

pub(super) static QUOTA: Section = Section {
    name: "quota",
    meaning: "Limits of each hub in the place of those of hub.quota. \"auto\": as that says.",
    keys: &[
        Key {
            name: "messages_per_day",
            default: r#""auto""#,
            allowed: OWN_MESSAGES,
            meaning: "Messages in a day of UTC: telemetry and messages to devices in steps of 4 KiB, method calls and their answers, reads and changes of twins, results of queries, uploads, devices of jobs.",
            cost: "when they are used up, such operations are refused until midnight of UTC",
        },
        Key {
            name: "d2c_sends_per_second",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Telemetry: publishes, transfers and requests, whatever number of messages they have.",
            cost: "those that come faster wait, then are refused",
        },
        Key {
            name: "connections_per_second",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Devices and modules that connect over MQTT or AMQP.",
            cost: "after an outage all devices take so long to come back",
        },
        Key {
            name: "c2d_sends_per_minute",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Messages to devices.",
            cost: "as above",
        },
        Key {
            name: "c2d_receives_per_minute",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Requests of devices for a message over HTTPS.",
            cost: "as above",
        },
        Key {
            name: "file_uploads_per_minute",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Uploads that begin.",
            cost: "as above",
        },
        Key {
            name: "direct_method_steps_per_second",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Payloads of method calls, in steps of 4 KiB.",
            cost: "as above",
        },
        Key {
            name: "queries_per_minute",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Pages of queries.",
            cost: "as above",
        },
        Key {
            name: "twin_reads_per_second",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Reads of twins, by devices and back ends.",
            cost: "as above",
        },
        Key {
            name: "twin_updates_per_second",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Changes of twins, by devices and back ends.",
            cost: "as above",
        },
        Key {
            name: "identity_operations_per_minute",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Operations on identities; each item of a bulk request is one.",
            cost: "as above",
        },
        Key {
            name: "job_requests_per_minute",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Requests about jobs, imports and exports.",
            cost: "as above",
        },
        Key {
            name: "job_devices_per_second",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Devices that the jobs of one hub begin with; `jobs.devices_per_second` holds beside it.",
            cost: "jobs take longer",
        },
        Key {
            name: "configuration_requests_per_minute",
            default: r#""auto""#,
            allowed: OWN_RATE,
            meaning: "Requests about configurations.",
            cost: "as above",
        },
        Key {
            name: "burst",
            default: r#""1min""#,
            allowed: Time { min: Duration::from_secs(1), max: Duration::from_hours(1) },
            meaning: "How much of a rate may be used at once, before operations wait.",
            cost: "so much may come at once after a rest",
        },
        Key {
            name: "wait_max",
            default: r#""10s""#,
            allowed: Time { min: Duration::ZERO, max: Duration::from_mins(1) },
            meaning: "Longest wait of an operation that comes too early; one that would wait for longer \
                  is refused.",
            cost: "at most 1,024 requests of a hub wait, with their bodies",
        },
    ],
};
