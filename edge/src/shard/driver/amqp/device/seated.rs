//! One seat of a connection with its links.

use ringhub_core::limits::DEVICE_LINK_CREDIT;
use ringhub_core::session::amqp::{DeviceLink, LinkId};
use ringhub_core::time::Timestamp;

use super::c2d::DeviceBoundLink;
use super::deadlines::Deadlines;
use super::telemetry::TelemetryLink;
use super::twin::TwinLinks;
use crate::shard::seat::Seat;

/// Functions of links.
const FUNCTIONS: usize = DeviceLink::TwinReplies as usize + 1;

/// An identity on this connection: its seat, and a link for each function that is in use.
#[derive(Debug)]
pub(super) struct SeatedDevice {
    pub(super) seat: Seat,
    links: [Option<LinkId>; FUNCTIONS],
    /// Links that wait for the seat to be admitted.
    pub(super) asked: Vec<(LinkId, DeviceLink)>,
    pub(super) is_admitted: bool,
    /// When its hub takes it, if it has to wait for that.
    pub(super) connects_at: Option<Timestamp>,
    /// Messages that were done with on each link since credit was given there last.
    done: [u32; FUNCTIONS],
    /// When its credential is looked at again.
    pub(super) ends: Timestamp,
    /// When a client is tried again that does not take its bytes.
    pub(super) retry_at: Option<Timestamp>,
    /// The deadline that the connection knows of.
    pub(super) armed: Option<Timestamp>,
    pub(super) telemetry: TelemetryLink,
    pub(super) c2d: DeviceBoundLink,
    pub(super) twin: TwinLinks,
}

impl SeatedDevice {
    pub(super) fn new(seat: Seat, ends: Timestamp) -> Self {
        Self {
            seat,
            links: [None; FUNCTIONS],
            asked: Vec::new(),
            is_admitted: false,
            connects_at: None,
            done: [0; FUNCTIONS],
            ends,
            retry_at: None,
            armed: None,
            telemetry: TelemetryLink::default(),
            c2d: DeviceBoundLink::default(),
            twin: TwinLinks::default(),
        }
    }

    pub(super) fn link(&self, function: DeviceLink) -> Option<LinkId> {
        self.links[function as usize]
    }

    /// Gives a function to a link, or to none; returns the one that had it.
    pub(super) fn set_link(
        &mut self,
        function: DeviceLink,
        link: Option<LinkId>,
    ) -> Option<LinkId> {
        self.done[function as usize] = 0;
        std::mem::replace(&mut self.links[function as usize], link)
    }

    /// Counts messages of the client that are done with, and returns the credit to give back, in
    /// halves. Those that came on a link which was replaced have nothing to do with the credit of
    /// the present one.
    pub(super) fn count_done(
        &mut self,
        function: DeviceLink,
        link: LinkId,
        messages: u32,
    ) -> Option<u32> {
        if self.link(function) != Some(link) {
            return None;
        }
        let done = &mut self.done[function as usize];
        *done += messages;
        (*done >= DEVICE_LINK_CREDIT / 2).then(|| std::mem::take(done))
    }

    /// Counts a message that the client took back. The credit for it goes with that for the next
    /// one that is done with: who does nothing but begin messages runs out of it.
    pub(super) fn count_aborted(&mut self, function: DeviceLink, link: LinkId) {
        if self.link(function) == Some(link) {
            self.done[function as usize] += 1;
        }
    }

    pub(super) fn links(&self) -> impl Iterator<Item = LinkId> {
        self.links.into_iter().flatten()
    }

    /// Forgets that a link waits for its answer; whether it did.
    pub(super) fn take_asked(&mut self, link: LinkId) -> bool {
        let place = self.asked.iter().position(|(asked, _)| *asked == link);
        place.map(|place| self.asked.swap_remove(place)).is_some()
    }

    /// Follows a change of the deadline of this seat, the one of `number`.
    pub(super) fn rearm(&mut self, number: u32, deadlines: &mut Deadlines) {
        let next = self.poll_timeout();
        if self.armed != next {
            deadlines.change(number, self.armed, next);
            self.armed = next;
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        let report = self.seat.poll_timeout();
        let retry = self.telemetry.retry_at();
        let times = [Some(self.ends), report, retry, self.retry_at, self.connects_at];
        times.into_iter().flatten().min()
    }
}
