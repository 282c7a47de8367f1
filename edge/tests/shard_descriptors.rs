//! A shard that runs out of descriptors. Alone in its process: the limit is the process's.

mod shard_support;

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shard_support::{Hub, Ports, eventually};
use socket2::{Domain, Socket, Type};

#[test]
fn accepting_goes_on_once_there_are_descriptors_again() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).expect("lower the limit");
    let hub = Hub::start(1, Ports::Shared);
    assert_eq!(hub.connect(0).ask("echo listening"), "listening");
    let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are descriptors");
    let fillers = all_descriptors();
    waiting.connect(&hub.addresses[0].into()).expect("the kernel accepts");
    let mut waiting = TcpStream::from(waiting);
    eventually("accepting pauses", || hub.count("accept_pauses") > 1);
    assert_eq!(hub.count("connections_accepted"), 1);
    waiting.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
    assert!(waiting.read(&mut [0; 8]).is_err(), "it waits and is not closed");
    drop(fillers);
    eventually("it is accepted", || hub.count("connections_accepted") == 2);
    assert_eq!(hub.connect(0).ask("echo alive"), "alive");
    hub.stop();
}

/// Takes every descriptor that is free, and those that come free a moment later: the kernel
/// reserves one while it begins to accept.
fn all_descriptors() -> Vec<File> {
    let mut taken = Vec::new();
    loop {
        let before = taken.len();
        taken.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        if taken.len() == before {
            return taken;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
