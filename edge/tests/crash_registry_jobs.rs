//! Kills the hub at random instants while it imports and exports, and checks that no promise was
//! broken.
//!
//! Goal: after each restart the job that was under way comes to its end, no line of an import is
//! applied twice or lost, and an export is whole. Method: an import of lines that can succeed but
//! once (`create`), some of which are wrong, and an export of what came of it; `kill -9` comes at a
//! random time, several times in each. The errors must be those of the wrong lines, each once, and
//! the export must hold every device.
//!
//! `RINGHUB_CRASH_ROUNDS` and `RINGHUB_CRASH_SEED` repeat a run; the seed is printed.

mod support;

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::azurite_account::AzuriteAccount;
use support::hub::Hub;
use support::random::Random;
use support::registry_job::{create, ended, export_to, hub_with, import_from, lines, show};
use support::rest;
use support::seed::{number_from, seed_from};

const ROUNDS: u64 = 2;
const DEVICES: u64 = 6000;
/// Every so many lines one is wrong.
const WRONG_EVERY: u64 = 100;
/// Kills of each job.
const KILLS: u64 = 3;

fn id(round: u64, n: u64) -> String {
    format!("r{round}-{n:05}")
}

fn file(round: u64) -> String {
    let line = |n: u64| {
        let mut text = json!({ "id": id(round, n), "importMode": "create",
            "tags": { "n": n } })
        .to_string()
            + "\n";
        if n.is_multiple_of(WRONG_EVERY) {
            text += &(json!({ "id": id(round, n), "importMode": "create" }).to_string() + "\n");
        }
        text
    };
    (0..DEVICES).map(line).collect()
}

/// How often a job was under way when the hub was killed, and how often it had done a part by then.
#[derive(Default)]
struct Kills {
    midway: u64,
    partway: u64,
}

/// Makes a job, and kills the hub some times before it has ended, always while the storage account
/// stands still: no job ends without it. Gives the job, which has ended.
fn survive(
    hub: &mut Hub,
    azurite: &AzuriteAccount,
    request: &Value,
    random: &mut Random,
    kills: &mut Kills,
) -> Value {
    azurite.pause();
    let id = create(hub, request);
    for _ in 0..KILLS {
        let job = show(hub, &id);
        let is_midway = matches!(job["status"].as_str(), Some("enqueued" | "running"));
        kills.midway += u64::from(is_midway);
        kills.partway += u64::from(is_midway && job["progress"] != 0);
        hub.kill();
        hub.reap();
        azurite.resume();
        hub.launch();
        thread::sleep(Duration::from_millis(random.below(150)));
        azurite.pause();
    }
    azurite.resume();
    ended(hub, &id, |_| {})
}

#[test]
fn no_line_is_lost_or_applied_twice_however_the_hub_ends() {
    let Some(azurite) = AzuriteAccount::start() else { return };
    let account = &azurite.account;
    let rounds = number_from("RINGHUB_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = seed_from("RINGHUB_CRASH_SEED");
    println!("crash: {rounds} rounds, seed {seed}");
    let mut random = Random(seed | 1);
    let mut hub = hub_with(account, "1min");
    let [mut imports, mut exports] = [Kills::default(), Kills::default()];
    for round in 0..rounds {
        let container = account.container(&format!("round-{round}"));
        account.put(&container, "devices.txt", file(round).as_bytes());
        let import = import_from(&container);
        let job = survive(&mut hub, &azurite, &import, &mut random, &mut imports);
        assert_eq!(job["status"], "completed", "{job}");
        let errors = lines(&account.get(&container, "importErrors.log").expect("it is there"));
        let found: Vec<_> = errors
            .iter()
            .map(|error| (error["deviceId"].as_str().unwrap_or_default(), &error["errorCode"]))
            .collect();
        let code = json!(409_001);
        let wrong: Vec<_> =
            (0..DEVICES).step_by(WRONG_EVERY as usize).map(|n| id(round, n)).collect();
        let expected: Vec<_> = wrong.iter().map(|id| (id.as_str(), &code)).collect();
        assert_eq!(found, expected);

        let export = export_to(&container);
        let job = survive(&mut hub, &azurite, &export, &mut random, &mut exports);
        assert_eq!(job["status"], "completed", "{job}");
        let exported = lines(&account.get(&container, "devices.txt").expect("it is there"));
        let names: BTreeSet<_> = exported.iter().map(|line| line["id"].to_string()).collect();
        let devices = (round + 1) * DEVICES;
        assert_eq!((exported.len() as u64, names.len() as u64), (devices, devices));
        let tags = exported.iter().filter(|line| line["tags"]["n"].is_u64()).count() as u64;
        assert_eq!(tags, devices, "each has the twin of its line");
        let (_, count) =
            rest::exchange(&hub, "GET", "/statistics/devices", "").expect("it answers");
        let count: Value = serde_json::from_str(&count).expect("JSON");
        assert_eq!(count["totalDeviceCount"], devices);
    }
    for (kind, Kills { midway, partway }) in [("imports", &imports), ("exports", &exports)] {
        println!("crash: {midway} {kind} were cut short, {partway} of them with a part done");
        assert!(*midway >= rounds, "the first kill of each comes while it is under way");
    }
}
