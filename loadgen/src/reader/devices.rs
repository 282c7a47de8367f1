//! Whether the messages of each device come once and in the order in which it has sent them.

use std::collections::HashMap;

use ringhub_core::codec::amqp::section::Message;

use crate::numbering;

/// What has come of every device.
#[derive(Clone, Debug, Default)]
pub(super) struct Devices {
    /// The number that comes next, by device.
    next: HashMap<Box<str>, u64>,
    /// Numbers that were passed over.
    pub(super) missing: u64,
    /// Messages with a number that was there, or had to be there, before.
    pub(super) disordered: u64,
    /// Messages without a device or a number.
    pub(super) unnumbered: u64,
}

impl Devices {
    /// Looks at one message. Allocates for the first one of a device only.
    pub(super) fn handle_message(&mut self, message: &[u8]) {
        match read(message) {
            Some((device, number)) => self.handle_number(device, number),
            None => self.unnumbered += 1,
        }
    }

    /// Devices of which something came.
    pub(super) fn count(&self) -> usize {
        self.next.len()
    }

    fn handle_number(&mut self, device: &str, number: u64) {
        let Some(next) = self.next.get_mut(device) else {
            self.next.insert(device.into(), number.saturating_add(1));
            return;
        };
        match number.checked_sub(*next) {
            Some(passed_over) => {
                self.missing += passed_over;
                *next = number.saturating_add(1);
            }
            None => self.disordered += 1,
        }
    }
}

/// The device that has sent a message, and the number that it gave it.
fn read(message: &[u8]) -> Option<(&str, u64)> {
    let message = Message::decode(message).ok()?;
    let device = message.message_annotations?.value("iothub-connection-device-id")?.as_text()?;
    let number = numbering::read(message.body.pieces().next()?)?;
    Some((device, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_counts_for_itself() {
        let mut devices = Devices::default();
        for (device, number) in [("a", 0), ("b", 7), ("a", 1), ("b", 8), ("a", 2)] {
            devices.handle_number(device, number);
        }
        assert_eq!((devices.count(), devices.missing, devices.disordered), (2, 0, 0));
        for number in [5, 4, 5, 6, u64::MAX] {
            devices.handle_number("a", number);
        }
        assert_eq!((devices.missing, devices.disordered), (2 + (u64::MAX - 7), 2));
        devices.handle_message(b"no message");
        assert_eq!(devices.unnumbered, 1);
    }
}
