//! A device that does everything right while others misbehave, and must not notice them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::hub::Hub;
use super::mqtt::MqttDevice;
use super::rest::Device;

/// Longest time that a message may take; far above what a busy machine needs.
const ACK_TIME_MAX: Duration = Duration::from_secs(20);
/// Messages that await their PUBACK.
const WINDOW: u16 = 4;

/// A hub with a device that publishes all the time, on one and the same connection.
pub(crate) struct Arena {
    pub(crate) hub: Hub,
    resident_kib_before: u64,
    stop: Arc<AtomicBool>,
    bystander: JoinHandle<io::Result<Observed>>,
}

/// What the device has seen.
#[derive(Debug)]
struct Observed {
    messages: u64,
    slowest: Duration,
}

impl Arena {
    /// Lets the device publish on `hub`.
    pub(crate) fn start(hub: Hub) -> Self {
        let device = Device::create(&hub, "bystander");
        let mut connection = MqttDevice::connect(&hub, &device).expect("the device may connect");
        send_window(&mut connection).expect("the device is served");
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let bystander = thread::spawn(move || publish(connection, &until));
        let resident_kib_before = hub.resident_kib();
        Self { hub, resident_kib_before, stop, bystander }
    }

    /// Fails the test unless the device was served throughout, no thread has panicked, and the hub
    /// has grown by less than `growth_kib_max`.
    pub(crate) fn finish(mut self, title: &str, growth_kib_max: u64) {
        self.stop.store(true, Ordering::Relaxed);
        let observed = self.bystander.join().expect("the device checks nothing by panics");
        let observed = observed.expect("the device is served throughout");
        let (before, after) = (self.resident_kib_before, self.hub.resident_kib());
        println!("{title}: memory {before} KiB before, {after} KiB after; {observed:?}");
        self.hub.assert_sound();
        assert!(observed.slowest < ACK_TIME_MAX, "{observed:?}");
        assert!(after < before + growth_kib_max, "the hub has grown");
    }
}

/// Keeps a small window of messages under way until it is told to stop, and one after that: a hub
/// that has come through must serve it too, however short the others' visit was.
fn publish(mut connection: MqttDevice, stop: &AtomicBool) -> io::Result<Observed> {
    let mut observed = Observed { messages: 0, slowest: Duration::ZERO };
    loop {
        let last = stop.load(Ordering::Relaxed);
        let sent = Instant::now();
        send_window(&mut connection)?;
        observed.slowest = observed.slowest.max(sent.elapsed());
        observed.messages += u64::from(WINDOW);
        if last {
            return Ok(observed);
        }
        // A device that leaves the processor to the others, and does not fill the hub's memory,
        // whose growth is measured; its pace is no synchronisation.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends as many messages as may be under way and waits until all are acknowledged.
fn send_window(connection: &mut MqttDevice) -> io::Result<()> {
    for id in 1..=WINDOW {
        connection.publish(id, &[b'x'; 200], false)?;
    }
    connection.flush()?;
    for id in 1..=WINDOW {
        let found = connection.read_puback()?;
        if found != id {
            return Err(io::Error::other(format!("PUBACK {found} instead of {id}")));
        }
    }
    Ok(())
}
