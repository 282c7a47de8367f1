//! Authentication, takeover and registry writes on a directory without a store.

use ringhub_core::auth::policy::DEFAULT_POLICIES;
use ringhub_core::auth::sas_token::sign;
use ringhub_core::auth::{InvalidToken, KeyPair, Permissions, Segment, TokenRefused};
use ringhub_core::id::{
    ConnectionId, DeviceId, ExecutorId, HubId, Identity, ModuleId, SeatId, ShardId,
};
use ringhub_core::position::{RingPosition, Ticket};
use ringhub_core::quota::QuotaPlan;
use ringhub_core::session::takeover::{Admission, Reservation};
use ringhub_core::time::UnixMillis;

use super::*;
use crate::credentials::Credentials;
use crate::tests::this_binary;

const HUB: HubId = HubId(0);
const NOW: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);
const EXPIRY: u64 = 1_800_003_600;
const DEVICE_KEY: [u8; 32] = [1; 32];
const MODULE_KEY: [u8; 32] = [2; 32];
const POLICY_KEY: [u8; 32] = [3; 32];
const DEVICE: IdentityRef<'static> = IdentityRef { device: "d", module: None };
const MODULE: IdentityRef<'static> = IdentityRef { device: "d", module: Some("m") };

fn keys(key: [u8; 32]) -> Credentials {
    Credentials::Keys(KeyPair::new(&[9; 32], &key).expect("32 bytes are permitted"))
}

fn record(generation: u64, credentials: Credentials) -> IdentityRecord {
    IdentityRecord { generation: GenerationId(generation), credentials, subscriptions: 0 }
}

fn id(text: &str) -> DeviceId {
    DeviceId::parse(text).expect("the tests use valid ids")
}

fn module_id() -> ModuleId {
    ModuleId::parse("m").expect("the tests use valid ids")
}

fn identity(name: IdentityRef<'_>) -> Identity {
    Identity { device: id(name.device), module: name.module.map(|_| module_id()) }
}

/// A hub with device `d`, its module `m`, a certificate device `x` and a disabled device `off`.
fn directory() -> Directory {
    let policy = |(name, permissions): (&str, Permissions)| {
        let keys = KeyPair::new(&POLICY_KEY, &[8; 32]).expect("32 bytes are permitted");
        Policy { name: name.to_owned(), permissions, keys }
    };
    let hub = Hub {
        aliases: vec!["localhost".to_owned()],
        policies: Shared::new(DEFAULT_POLICIES.map(policy).into()),
        ..Hub::bare(HUB, "Hub.example.net")
    };
    let directory = Directory::new(vec![hub], QuotaPlan::default());
    directory.put_device(HUB, &id("d"), Status::Enabled, record(1, keys(DEVICE_KEY)));
    directory.put_module(HUB, &id("d"), &module_id(), record(2, keys(MODULE_KEY)));
    let authority = record(3, Credentials::CertificateAuthority);
    directory.put_device(HUB, &id("x"), Status::Enabled, authority);
    directory.put_device(HUB, &id("off"), Status::Disabled, record(4, keys(DEVICE_KEY)));
    directory.put_module(HUB, &id("off"), &module_id(), record(5, keys(MODULE_KEY)));
    directory
}

/// Several seats share a connection.
fn seat(number: u32) -> SeatId {
    let connection = ConnectionId { shard: ShardId(0), slot: number / 2, generation: 0 };
    SeatId { connection, number }
}

fn fence(position: u64) -> Ticket {
    Ticket { shard: ShardId(1), executor: ExecutorId(2), position: RingPosition(position) }
}

fn grant(directory: &Directory, name: IdentityRef<'_>) -> Grant {
    let token = sign("hub.example.net", &POLICY_KEY, EXPIRY, Some("device"));
    directory.authenticate(HUB, name, &token, NOW).expect("the policy may act as any device")
}

#[test]
fn tokens_of_devices_modules_and_policies_are_judged() {
    use AuthFailure as No;
    let directory = directory();
    let name = |device, module| IdentityRef { device, module };
    let device_scope = "hub.example.net%2Fdevices%2Fd";
    let module_scope = "hub.example.net%2Fdevices%2Fd%2Fmodules%2Fm";
    let signature = Err(No::Refused(TokenRefused::Signature));
    let host = "hub.example.net";
    #[rustfmt::skip]
    let table = [
        (DEVICE, device_scope, DEVICE_KEY, None, Ok(AuthScope::Device)),
        (DEVICE, "LOCALHOST%2fdevices%2fd", DEVICE_KEY, Some(""), Ok(AuthScope::Device)),
        (DEVICE, device_scope, MODULE_KEY, None, signature),
        (DEVICE, "other.example%2Fdevices%2Fd", DEVICE_KEY, None, Err(No::Scope)),
        (DEVICE, module_scope, DEVICE_KEY, None, Err(No::Scope)),
        (MODULE, module_scope, MODULE_KEY, None, Ok(AuthScope::Module)),
        (MODULE, device_scope, DEVICE_KEY, None, signature),
        (DEVICE, host, POLICY_KEY, Some("device"), Ok(AuthScope::Hub)),
        (MODULE, host, POLICY_KEY, Some("iothubowner"), Ok(AuthScope::Hub)),
        (DEVICE, host, POLICY_KEY, Some("service"), Err(No::Permission)),
        (DEVICE, host, POLICY_KEY, Some("nobody"), Err(No::UnknownPolicy)),
        (DEVICE, host, DEVICE_KEY, Some("device"), signature),
        (name("D", None), host, POLICY_KEY, Some("device"), Err(No::UnknownDevice)),
        (name("d", Some("n")), host, POLICY_KEY, Some("device"), Err(No::UnknownModule)),
        (name("x", None), host, DEVICE_KEY, None, Err(No::NoKeys)),
        (name("off", None), host, POLICY_KEY, Some("device"), Err(No::Disabled)),
        (name("off", None), host, DEVICE_KEY, None, Err(No::Disabled)),
        (name("off", Some("m")), host, MODULE_KEY, None, Err(No::Disabled)),
    ];
    for (name, resource, key, policy, expected) in table {
        let token = sign(resource, &key, EXPIRY, policy);
        let verdict = directory.authenticate(HUB, name, &token, NOW);
        assert_eq!(verdict.map(|grant| grant.scope), expected, "{name:?} {token}");
    }
    let malformed = directory.authenticate(HUB, DEVICE, "Bearer x", NOW);
    assert_eq!(malformed, Err(No::Malformed(InvalidToken::Scheme)));
    let nowhere = directory.authenticate(HubId(1), DEVICE, "", NOW);
    assert_eq!(nowhere, Err(No::UnknownHub));
}

#[test]
fn a_grant_says_what_the_stamps_need_and_ends_with_its_token() {
    let directory = directory();
    let token = sign("hub.example.net/devices/d", &DEVICE_KEY, EXPIRY, None);
    let grant = directory.authenticate(HUB, DEVICE, &token, NOW).expect("a good token");
    assert_eq!((grant.generation, grant.expires.as_secs()), (GenerationId(1), 1_800_003_600));
    assert_eq!(grant.scope, AuthScope::Device);
    for (seconds, good) in [(299, true), (300, false)] {
        let late = UnixMillis::from_millis((1_800_003_600 + seconds) * 1000);
        assert_eq!(directory.authenticate(HUB, DEVICE, &token, late).is_ok(), good, "{seconds}");
    }
}

#[test]
fn back_ends_need_a_policy_with_the_permission_and_the_scope() {
    use AuthFailure as No;
    use Segment::Literal;
    let directory = directory();
    let read = [Literal("hub"), Literal("ConsumerGroups"), Literal("$Default")];
    let service = Permissions::SERVICE_CONNECT;
    let sb = "sb%3A%2F%2Fhub.example.net%2Fhub";
    let text = KeyPair::new(&POLICY_KEY, &POLICY_KEY).expect("32 bytes").primary_text();
    #[rustfmt::skip]
    let table = [
        (sign("hub.example.net", &POLICY_KEY, EXPIRY, Some("service")), service, Ok(())),
        (sign(sb, text.as_bytes(), EXPIRY, Some("service")), service, Ok(())),
        (sign(sb, &POLICY_KEY, EXPIRY, Some("iothubowner")), service, Ok(())),
        (sign(sb, &POLICY_KEY, EXPIRY, Some("device")), service, Err(No::Permission)),
        (sign(sb, &POLICY_KEY, EXPIRY, None), service, Err(No::PolicyNeeded)),
        (sign("sb://hub.example.net/hub2", &POLICY_KEY, EXPIRY, Some("service")), service, Err(No::Scope)),
        (sign("hub.example.net", &POLICY_KEY, EXPIRY, Some("registryReadWrite")), Permissions::REGISTRY_READ, Ok(())),
        (sign("hub.example.net", &POLICY_KEY, EXPIRY, Some("registryRead")), Permissions::REGISTRY_WRITE, Err(No::Permission)),
    ];
    for (token, needed, expected) in table {
        let verdict = directory.authorize_service(HUB, &token, &read, needed, NOW);
        assert_eq!(verdict.map(drop), expected, "{token}");
    }
}

#[test]
fn hubs_answer_to_their_names_in_any_case() {
    let directory = directory();
    for host in ["hub.example.net", "HUB.example.NET:8883", "hub.example.net.", "localhost:443"] {
        assert_eq!(directory.hub_by_host(host).map(|hub| hub.id), Some(HUB), "{host}");
    }
    for host in ["", "example.net", "hub", "hub.example.net.evil"] {
        assert!(directory.hub_by_host(host).is_none(), "{host}");
    }
}

#[test]
fn the_successor_waits_until_its_predecessor_has_released() {
    let directory = directory();
    let grant = grant(&directory, DEVICE);
    let reserve =
        |number| directory.reserve(&grant, seat(number), NOW).expect("enabled").reservation;
    let release = |number, last| directory.release(&grant, seat(number), last, NOW);
    assert_eq!(reserve(1), Reservation { previous: None, admission: Admission::Open });
    let second = reserve(2);
    assert_eq!(second.previous, Some(seat(1)));
    assert_eq!(second.admission, Admission::AwaitingPredecessors);
    assert_eq!(directory.counts(HUB).connected, 1);
    assert_eq!(release(1, Some(fence(5))), Some(seat(2)));
    assert_eq!(directory.fence(&grant), Some(fence(5)));
    assert_eq!(directory.seat(HUB, DEVICE), Some(seat(2)));
    assert_eq!(release(2, None), None);
    assert_eq!(directory.seat(HUB, DEVICE), None);
    assert_eq!(directory.counts(HUB).connected, 0);
    assert_eq!(
        reserve(3).admission,
        Admission::AwaitingCommit(fence(5)),
        "a silent seat passes it on"
    );
}

#[test]
fn a_device_and_its_module_do_not_evict_each_other() {
    let directory = directory();
    let device = directory.reserve(&grant(&directory, DEVICE), seat(1), NOW);
    let module = directory.reserve(&grant(&directory, MODULE), seat(2), NOW);
    assert_eq!(device.map(|found| found.reservation.previous), Ok(None));
    assert_eq!(module.map(|found| found.reservation.previous), Ok(None));
    assert_eq!(directory.counts(HUB).connected, 1, "modules do not count");
}

#[test]
fn a_grant_is_void_once_the_identity_is_disabled_deleted_or_replaced() {
    let directory = directory();
    let grant = grant(&directory, DEVICE);
    let reserve = || directory.reserve(&grant, seat(1), NOW).map(drop);
    directory.put_device(HUB, &id("d"), Status::Disabled, record(1, keys(DEVICE_KEY)));
    assert_eq!(reserve(), Err(AuthFailure::Disabled));
    directory.remove_device(HUB, &id("d"));
    assert_eq!(reserve(), Err(AuthFailure::UnknownDevice));
    directory.put_device(HUB, &id("d"), Status::Enabled, record(6, keys(DEVICE_KEY)));
    assert_eq!(reserve(), Err(AuthFailure::Replaced));
}

#[test]
fn disabling_or_deleting_a_device_names_the_seats_to_cut() {
    for (reason, disable) in [(CutReason::Disabled, true), (CutReason::Deleted, false)] {
        let directory = directory();
        for (number, name) in [(1, DEVICE), (2, MODULE)] {
            let grant = grant(&directory, name);
            directory.reserve(&grant, seat(number), NOW).expect("enabled");
        }
        let cuts = if disable {
            directory.put_device(HUB, &id("d"), Status::Disabled, record(1, keys(DEVICE_KEY)))
        } else {
            directory.remove_device(HUB, &id("d"))
        };
        let cut = |number, name| Cut { seat: seat(number), identity: identity(name), reason };
        assert_eq!(cuts, [cut(1, DEVICE), cut(2, MODULE)]);
    }
}

#[test]
fn counts_follow_the_registry() {
    let directory = directory();
    let counts = |directory: &Directory| {
        let counts = directory.counts(HUB);
        (counts.devices, counts.disabled)
    };
    assert_eq!(counts(&directory), (3, 1));
    directory.put_device(HUB, &id("d"), Status::Disabled, record(1, keys(DEVICE_KEY)));
    assert_eq!(counts(&directory), (3, 2));
    directory.put_device(HUB, &id("off"), Status::Enabled, record(4, keys(DEVICE_KEY)));
    assert_eq!(counts(&directory), (3, 1));
    directory.remove_device(HUB, &id("d"));
    assert_eq!(counts(&directory), (2, 0));
}

/// Resident memory of this process in bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages = statm.split(' ').nth(1).and_then(|field| field.parse::<usize>().ok());
    pages.expect("the second field is a number") * 4096
}

/// Makes this test binary play the process that is measured.
const MEASURED: &str = "RINGHUB_TEST_MEASURED";

/// Method: resident memory before and after 250,000 devices, at the load of the table that costs
/// most, in a process that does nothing else.
#[test]
fn an_identity_needs_about_three_hundred_bytes() {
    const DEVICES: usize = 250_000;
    if std::env::var_os(MEASURED).is_none() {
        let mut child = this_binary("an_identity_needs_about_three_hundred_bytes");
        let output = child.env(MEASURED, "1").output().expect("the test binary starts");
        let text = String::from_utf8_lossy(&output.stdout);
        println!("{text}");
        assert!(output.status.success() && text.contains("bytes per identity"), "{text}");
        return;
    }
    let directory = directory();
    let before = resident_bytes();
    for number in 0..DEVICES {
        let record = record(1, keys(DEVICE_KEY));
        directory.put_device(HUB, &id(&format!("device-{number:08}")), Status::Enabled, record);
    }
    let each = (resident_bytes() - before) / DEVICES;
    println!("{each} bytes per identity, {} of them the entry", size_of::<entry::DeviceEntry>());
    assert!(each < 400, "{each} bytes per identity");
    assert_eq!(directory.counts(HUB).devices, DEVICES as u64 + 3);
}

#[test]
fn what_the_store_lacks_is_taken_once_and_can_be_put_back() {
    let directory = directory();
    let [device, module] = [DEVICE, MODULE].map(|name| grant(&directory, name));
    assert_eq!(directory.take_unsaved(10), []);
    directory.reserve(&device, seat(1), NOW).expect("may connect");
    directory.reserve(&device, seat(2), NOW).expect("may connect");
    directory.reserve(&module, seat(3), NOW).expect("may connect");
    let first = directory.take_unsaved(1);
    let second = directory.take_unsaved(10);
    assert_eq!((first.len(), second.len()), (1, 1), "each identity once, as many as asked for");
    let mut names: Vec<_> = first.iter().chain(&second).map(|r| r.identity.clone()).collect();
    names.sort();
    assert_eq!(names, [identity(DEVICE), identity(MODULE)]);
    assert_eq!(directory.take_unsaved(10), []);
    directory.put_back(&first);
    assert_eq!(directory.take_unsaved(10), first);
    directory.put_back(&second);
    directory.remove_device(HUB, &id("d"));
    assert_eq!(directory.take_unsaved(10), [], "nothing is kept of a deleted device");
}

#[test]
fn activity_only_rises_and_belongs_to_one_generation() {
    let directory = directory();
    let known = grant(&directory, DEVICE);
    let at = |millis| UnixMillis::from_millis(NOW.as_millis() + millis);
    let last = || directory.presence(HUB, DEVICE).expect("it is there").last_activity;
    directory.note_activity(&known, at(5));
    directory.note_activity(&known, at(3));
    assert_eq!(last(), Some(at(5)));
    let other = Grant { generation: GenerationId(77), ..known };
    directory.note_activity(&other, at(9));
    assert_eq!(last(), Some(at(5)));
    let saved = directory.take_unsaved(10);
    assert_eq!(saved.len(), 1);
    assert_eq!((saved[0].last_activity, saved[0].is_connected), (Some(at(5)), false));
}

#[test]
fn who_was_connected_at_the_end_has_lost_the_connection_at_the_start() {
    let before = directory();
    let at = |millis| UnixMillis::from_millis(NOW.as_millis() + millis);
    let [device, module] = [DEVICE, MODULE].map(|name| grant(&before, name));
    before.reserve(&device, seat(1), at(0)).expect("may connect");
    before.reserve(&module, seat(2), at(0)).expect("may connect");
    before.release(&module, seat(2), None, at(1));
    let after = directory();
    for record in before.take_unsaved(10) {
        after.restore(&record, at(100));
    }
    let seen = |name| after.presence(HUB, name).expect("it is there");
    let presence = |changed, last_activity| Presence {
        seat: None,
        changed: Some(changed),
        last_activity: Some(last_activity),
    };
    assert_eq!(seen(DEVICE), presence(at(100), at(0)));
    assert_eq!(seen(MODULE), presence(at(1), at(1)));
    let told: Vec<_> = after.take_unsaved(10).into_iter().map(|r| r.identity).collect();
    assert_eq!(told, [identity(DEVICE)], "the store learns of the one that has changed");
}

mod certificates;
