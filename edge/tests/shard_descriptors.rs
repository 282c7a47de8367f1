//! Shards that run out of descriptors. Alone in its process: the limit is the process's, though
//! each shard has a table of its own.

mod shard_support;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shard_support::{Hub, Ports, eventually};
use socket2::{Domain, Socket, Type};

/// Bound on the descriptors of one table.
const TABLE_MAX: u64 = 100;
/// Clients of one shard that fit into its table, but not twice into one.
const FITTING: u64 = 70;
/// Clients more than the table of the shard holds.
const TOO_MANY: u64 = 80;

#[test]
fn each_shard_has_a_table_of_its_own_and_accepts_again_after_it_was_full() {
    let limit = getrlimit(Resource::Nofile);
    let hub = Hub::start(2, Ports::OnePerShard);
    let accepted = |expected| hub.count("connections_accepted") == expected;
    // Made before the limit falls: connecting takes no further descriptor of this table.
    let mut sockets = sockets(2 * FITTING + TOO_MANY).into_iter();
    let mut connect = |shard: usize, count: u64| -> Vec<Socket> {
        let taken: Vec<_> = sockets.by_ref().take(usize::try_from(count).expect("small")).collect();
        for socket in &taken {
            socket.connect(&hub.addresses[shard].into()).expect("the kernel accepts");
        }
        taken
    };
    setrlimit(Resource::Nofile, Rlimit { current: Some(TABLE_MAX), ..limit }).expect("lower it");
    let _both = [connect(0, FITTING), connect(1, FITTING)];
    eventually("both shards take theirs", || accepted(2 * FITTING));
    assert_eq!(hub.count("accept_pauses"), 0);

    let _more = connect(1, TOO_MANY);
    eventually("accepting pauses", || hub.count("accept_pauses") > 1);
    assert!(!accepted(2 * FITTING + TOO_MANY));
    setrlimit(Resource::Nofile, limit).expect("raise it again");
    eventually("all are accepted", || accepted(2 * FITTING + TOO_MANY));
    assert_eq!(hub.connect(1).ask("echo alive"), "alive");
    hub.stop();
}

fn sockets(count: u64) -> Vec<Socket> {
    let socket = |_| Socket::new(Domain::IPV4, Type::STREAM, None);
    (0..count).map(|number| socket(number).expect("there are descriptors")).collect()
}
