//! Every key of the configuration: the one place where default, range, meaning and cost stand.
//!
//! The sections of [`Config`](super::Config) have a field for each key, and neither can be without
//! the other: the defaults are read from here.

use std::time::Duration;

use ringhub_core::limits::{
    C2D_QUEUE_DEPTH_MAX, C2D_TTL_MAX, CONSUMER_GROUPS_MAX, JOB_DEVICES_PER_SECOND_MAX,
    UPLOAD_ADDRESS_TTL_MAX,
};

use super::Allowed::{
    Address, Auto, ConsumerGroups, Container, Duration as Time, File, HostName, LogLevel, Number,
    Quota, Size, Switch, Word,
};
use super::quota_keys::QUOTA;
use super::{Allowed, ByteSize, Key, Section};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const PORT: Allowed = Number { min: 1, max: u16::MAX as i64, unit: "(TCP port)" };
const DELIVERIES: Allowed = Number { min: 1, max: 100, unit: "deliveries" };

/// All sections, in the order in which they are shown.
pub static SECTIONS: [&Section; 15] = [
    &HUB,
    &QUOTA,
    &FORMAT,
    &CLOUD_TO_DEVICE,
    &FILE_UPLOAD,
    &JOBS,
    &LISTEN,
    &SHARDS,
    &EXECUTORS,
    &LOG,
    &LOGGING,
    &LIMITS,
    &STORAGE,
    &TLS,
    &CERTIFICATE,
];

static HUB: Section = Section {
    name: "hub",
    meaning: "The hub that clients see.",
    keys: &[
        Key {
            name: "host_name",
            default: r#""localhost""#,
            allowed: HostName,
            meaning: "Name that clients dial; in connection strings and in the development certificate.",
            cost: "another name makes the connection strings of all clients invalid",
        },
        Key {
            name: "domain",
            default: r#""auto""#,
            allowed: Auto(&HostName),
            meaning: "What the names of further hubs end with: NAME.domain. \"auto\": host_name, or \
                  localhost where that is an address.",
            cost: "clients have to find each name, by DNS or by a list of hosts",
        },
        Key {
            name: "retention",
            default: r#""1day""#,
            allowed: Time { min: HOUR, max: Duration::from_hours(168) },
            meaning: "Least time that events stay readable.",
            cost: "disk space of rate times retention, and one segment for each executor",
        },
        Key {
            name: "consumer_groups",
            default: "[]",
            allowed: ConsumerGroups(CONSUMER_GROUPS_MAX),
            meaning: "Besides $Default, which is always there; more can be made while the hub runs.",
            cost: "nothing while nobody reads",
        },
        Key {
            name: "quota",
            default: r#""none""#,
            allowed: Quota,
            meaning: "Tier whose quotas and throttles each hub of the process has; \"sku\": that of its \
                  own SKU, which the resource provider changes.",
            cost: "clients are delayed and refused as in that tier; 6 ns for each message",
        },
    ],
};

static FORMAT: Section = Section {
    name: "format",
    meaning: "Fixed when the data directory is created; refused when it differs later.",
    keys: &[Key {
        name: "partitions",
        default: "4",
        allowed: Number { min: 2, max: 128, unit: "partitions" },
        meaning: "How many readers of one consumer group can share the work. A device always writes to \
              the same partition, so that another number would break the order of its events.",
        cost: "a link for each in every reader, and memory for its index and its newest events",
    }],
};

static CLOUD_TO_DEVICE: Section = Section {
    name: "cloud_to_device",
    meaning: "Messages to devices, and the feedback on them.",
    keys: &[
        Key {
            name: "queue_depth",
            default: "50",
            allowed: Number { min: 1, max: C2D_QUEUE_DEPTH_MAX as i64, unit: "messages" },
            meaning: "Messages that may wait for one device or module, those in its hands included; \
                  one more is refused.",
            cost: "memory, of which all queues together take at most 256 MiB",
        },
        Key {
            name: "default_ttl",
            default: r#""1h""#,
            allowed: Time { min: MINUTE, max: C2D_TTL_MAX },
            meaning: "Life of a message whose sender sets no expiry.",
            cost: "messages for devices that stay away fill their queues for longer",
        },
        Key {
            name: "max_delivery_count",
            default: "10",
            allowed: DELIVERIES,
            meaning: "How often a device may abandon a message before it is dead-lettered. Locks that \
                  lapse do not count.",
            cost: "a message that no device can handle is delivered so often",
        },
        Key {
            name: "feedback_ttl",
            default: r#""1h""#,
            allowed: Time { min: MINUTE, max: C2D_TTL_MAX },
            meaning: "Life of feedback that no back end fetches.",
            cost: "disk space while nobody fetches it",
        },
        Key {
            name: "feedback_lock_duration",
            default: r#""1min""#,
            allowed: Time { min: Duration::from_secs(5), max: Duration::from_mins(5) },
            meaning: "Time that a back end may keep a batch of feedback without a verdict.",
            cost: "feedback that a back end lost comes again after this time",
        },
        Key {
            name: "feedback_max_delivery_count",
            default: "10",
            allowed: DELIVERIES,
            meaning: "How often a back end may abandon a batch of feedback.",
            cost: "a batch that no back end can handle is delivered so often",
        },
    ],
};

static FILE_UPLOAD: Section = Section {
    name: "file_upload",
    meaning: "Files that devices send, and the notifications of them.",
    keys: &[
        Key {
            name: "storage",
            default: r#""own""#,
            allowed: Word(&["own", "account", "none"]),
            meaning: "Where files go: to the hub's own storage account, to that of `account_file`, or \
                  nowhere, so that devices are refused.",
            cost: "files of the hub's own account are on its disk and pass through its HTTPS port",
        },
        Key {
            name: "account_file",
            default: r#""auto""#,
            allowed: Auto(&File),
            meaning: "File with the connection string of the storage account; only for `storage = \
                  \"account\"`.",
            cost: "whoever reads the file can read, write and delete all blobs of the account",
        },
        Key {
            name: "account_ca_file",
            default: r#""auto""#,
            allowed: Auto(&File),
            meaning: "PEM file with the CA that signed the certificate of the storage account, also of \
                  those of hubs that are made; \"auto\": what `storage.ca_file` says.",
            cost: "nothing",
        },
        Key {
            name: "container",
            default: r#""uploads""#,
            allowed: Container,
            meaning: "Container of the files; made if it is not there.",
            cost: "files stay where they are when the name changes",
        },
        Key {
            name: "address_ttl",
            default: r#""1h""#,
            allowed: Time { min: MINUTE, max: UPLOAD_ADDRESS_TTL_MAX },
            meaning: "How long a device may use the address that it was given for a file.",
            cost: "uploads that are never ended count among the ten of a device for so long",
        },
        Key {
            name: "quota",
            default: r#""8GiB""#,
            allowed: Size { min: ByteSize::bytes(1 << 20), max: ByteSize::bytes(1 << 50) },
            meaning: "Bytes that the hub's own storage account may hold, blocks of unfinished files \
                  included.",
            cost: "disk space; a file that would be more is refused",
        },
        Key {
            name: "notifications",
            default: "true",
            allowed: Switch,
            meaning: "Whether back ends are told of files.",
            cost: "a row for each file until a back end has fetched the notification",
        },
        Key {
            name: "notification_ttl",
            default: r#""1h""#,
            allowed: Time { min: MINUTE, max: C2D_TTL_MAX },
            meaning: "Life of a notification that no back end fetches.",
            cost: "disk space while nobody fetches it",
        },
        Key {
            name: "notification_lock_duration",
            default: r#""1min""#,
            allowed: Time { min: Duration::from_secs(5), max: Duration::from_mins(5) },
            meaning: "Time that a back end may keep a notification without a verdict.",
            cost: "a notification that a back end lost comes again after this time",
        },
        Key {
            name: "notification_max_delivery_count",
            default: "10",
            allowed: DELIVERIES,
            meaning: "How often a back end may abandon a notification.",
            cost: "one that no back end can handle is delivered so often",
        },
    ],
};

static JOBS: Section = Section {
    name: "jobs",
    meaning: "Scheduled jobs.",
    keys: &[Key {
        name: "devices_per_second",
        default: "2000",
        allowed: Number { min: 1, max: JOB_DEVICES_PER_SECOND_MAX as i64, unit: "devices" },
        meaning: "Devices that all jobs together begin with in a second; more wait.",
        cost: "processor time and writes of the store, beside which other changes take longer",
    }],
};

static LISTEN: Section = Section {
    name: "listen",
    meaning: "Where connections are accepted. Every port speaks TLS from the first byte.",
    keys: &[
        Key {
            name: "address",
            default: r#""127.0.0.1""#,
            allowed: Address,
            meaning: "Address of all listeners. \"0.0.0.0\" or \"::\" to be reached from the network.",
            cost: "whoever reaches it can try to log in",
        },
        Key {
            name: "mqtt_port",
            default: "8883",
            allowed: PORT,
            meaning: "MQTT.",
            cost: "device SDKs dial 8883 and cannot be told another one",
        },
        Key {
            name: "amqp_port",
            default: "5671",
            allowed: PORT,
            meaning: "AMQP 1.0.",
            cost: "SDKs dial 5671 and cannot be told another one",
        },
        Key {
            name: "https_port",
            default: "443",
            allowed: PORT,
            meaning: "REST, and MQTT and AMQP over WebSocket. 8443 when the privilege for 443 is missing.",
            cost: "SDKs dial 443; below 1024 a privilege is needed",
        },
    ],
};

static SHARDS: Section = Section {
    name: "shards",
    meaning: "Threads that serve connections.",
    keys: &[
        Key {
            name: "count",
            default: r#""auto""#,
            allowed: Auto(&Number { min: 1, max: 1024, unit: "threads" }),
            meaning: "Number of shards. \"auto\": one for each CPU that the executors leave.",
            cost: "one io_uring each, and one ring to each executor",
        },
        Key {
            name: "pin",
            default: r#""auto""#,
            allowed: Auto(&Switch),
            meaning: "Ties each shard to one CPU. \"auto\": when every shard and executor gets its own.",
            cost: "two pinned threads on one CPU wait for each other while another CPU is idle",
        },
    ],
};

static EXECUTORS: Section = Section {
    name: "executors",
    meaning: "Threads that write events to disk, one log each, and when they commit.",
    keys: &[
        Key {
            name: "count",
            default: r#""auto""#,
            allowed: Auto(&Number { min: 1, max: 64, unit: "threads" }),
            meaning: "Number of executors, not more than format.partitions; fixed when the data \
                  directory is created. \"auto\": one for 8 CPUs.",
            cost: "more syncs for the disk; those of 4 logs took 0.42 ms at the median, of 64 logs 7.7 ms",
        },
        Key {
            name: "pin",
            default: r#""auto""#,
            allowed: Auto(&Switch),
            meaning: "Ties each executor to one CPU. \"auto\": when every shard and executor gets its own.",
            cost: "two pinned threads on one CPU wait for each other while another CPU is idle",
        },
        Key {
            name: "commit_bytes",
            default: r#""256KiB""#,
            allowed: Size { min: ByteSize::kib(4), max: ByteSize::mib(8) },
            meaning: "Bytes that wait before they are committed at once.",
            cost: "larger commits add latency at high rates, and save syncs",
        },
        Key {
            name: "commit_delay",
            default: r#""250us""#,
            allowed: Time { min: Duration::ZERO, max: Duration::from_millis(100) },
            meaning: "Longest time that an event waits for company before a commit.",
            cost: "latency of a lone event; a commit takes 130 to 300 us of CPU, whatever its size",
        },
        Key {
            name: "commits_in_flight",
            default: "4",
            allowed: Number { min: 1, max: 4, unit: "commits" },
            meaning: "Commits under way at the same time, so that syncs overlap.",
            cost: "one buffer of commit_bytes each",
        },
    ],
};

static LOG: Section = Section {
    name: "log",
    meaning: "Files of the commit logs.",
    keys: &[Key {
        name: "segment_bytes",
        default: r#""64MiB""#,
        allowed: Size { min: ByteSize::mib(2), max: ByteSize::gib(4) },
        meaning: "Size of a segment file, at least four times executors.commit_bytes. Retention \
              removes whole segments: smaller ones free space sooner, larger ones mean fewer files.",
        cost: "disk space for each executor, of what is retained, the segment that is written, and the \
               one that is prepared",
    }],
};

static LOGGING: Section = Section {
    name: "logging",
    meaning: "Lines that say what happens.",
    keys: &[
        Key {
            name: "format",
            default: r#""text""#,
            allowed: Word(&["text", "json"]),
            meaning: "Form of the lines on standard error: text, coloured on a terminal, or one JSON \
                  object each.",
            cost: "JSON lines are longer",
        },
        Key {
            name: "level",
            default: r#""info""#,
            allowed: LogLevel,
            meaning: "What is logged, never a key or token. RINGHUB_LOG is a short name of its variable.",
            cost: "CPU and disk, as debug and trace write lines for what each connection does",
        },
    ],
};

static LIMITS: Section = Section {
    name: "limits",
    meaning: "Bounds on what peers may do.",
    keys: &[
        Key {
            name: "http_body_max",
            default: r#""1MiB""#,
            allowed: Size { min: ByteSize::kib(256), max: ByteSize::mib(16) },
            meaning: "Largest body of an HTTP request; larger: 413.",
            cost: "so much memory for each connection while it arrives",
        },
        Key {
            name: "http_head_timeout",
            default: r#""10s""#,
            allowed: Time { min: SECOND, max: Duration::from_mins(2) },
            meaning: "Longest time for the head of an HTTP request; then 408.",
            cost: "slow clients keep a connection and its buffer so long",
        },
        Key {
            name: "http_body_timeout",
            default: r#""1min""#,
            allowed: Time { min: SECOND, max: Duration::from_mins(10) },
            meaning: "Longest time for the body of an HTTP request; then 408.",
            cost: "slow clients keep up to http_body_max of memory so long",
        },
        Key {
            name: "http_idle_timeout",
            default: r#""2min""#,
            allowed: Time { min: SECOND, max: HOUR },
            meaning: "Time without a request after which an HTTP connection closes; clients keep \
                  pooled connections for about two minutes.",
            cost: "one descriptor and 3.6 KB for each idle connection",
        },
        Key {
            name: "shutdown_timeout",
            default: r#""10s""#,
            allowed: Time { min: Duration::ZERO, max: Duration::from_mins(5) },
            meaning: "Longest time that a shutdown waits for open work, so that clients get their \
                  answers. What is acknowledged is on disk already.",
            cost: "a stop can take so long",
        },
    ],
};

static TLS: Section = Section {
    name: "tls",
    meaning: "Handshakes.",
    keys: &[Key {
        name: "handshake_timeout",
        default: r#""10s""#,
        allowed: Time { min: SECOND, max: Duration::from_mins(2) },
        meaning: "Longest time from accept to the end of the TLS handshake.",
        cost: "half-open handshakes hold some 40 KB each so long",
    }],
};

static STORAGE: Section = Section {
    name: "storage",
    meaning: "Storage accounts that imports and exports of identities use, and uploads.",
    keys: &[
        Key {
            name: "ca_file",
            default: r#""auto""#,
            allowed: Auto(&File),
            meaning: "PEM file with the authorities that are trusted to name storage accounts, besides \
                  the development CA of the hub. \"auto\": those of the system, or of SSL_CERT_FILE.",
            cost: "whoever has a certificate of theirs may get what a job writes",
        },
        Key {
            name: "request_timeout",
            default: r#""1min""#,
            allowed: Time { min: SECOND, max: Duration::from_mins(10) },
            meaning: "Longest time for one request, which carries up to 4 MiB; it is tried six times.",
            cost: "a job whose storage account is silent fails after six times as long",
        },
    ],
};

/// Stands once for each certificate.
pub(super) static CERTIFICATE: Section = Section {
    name: "tls.certificate",
    meaning: "Certificates for production: one such section for each, at most 64, one of them for \
              hub.host_name. A host may have two, with an ECDSA and an RSA key: clients that \
              verify ECDSA get that one, all others RSA. Without any, a development CA in the \
              data directory issues both. New files are taken up within seconds, or at once on \
              SIGHUP; connections stay.",
    keys: &[
        Key {
            name: "host_name",
            default: r#""hub.example""#,
            allowed: HostName,
            meaning: "Name that it is for; left out: hub.host_name. Clients that name no host, or one \
                  without a certificate, get the first.",
            cost: "a look-up for each handshake",
        },
        Key {
            name: "certificate_file",
            default: r#""/etc/ringhub/tls/hub.example.pem""#,
            allowed: File,
            meaning: "PEM file with the certificate chain, leaf first.",
            cost: "long chains make each handshake larger",
        },
        Key {
            name: "key_file",
            default: r#""/etc/ringhub/tls/hub.example.key""#,
            allowed: File,
            meaning: "PEM file with the private key of the leaf (PKCS#8, PKCS#1 or SEC1, not encrypted).",
            cost: "RSA keys take more CPU for each handshake than ECDSA keys",
        },
    ],
};
