//! One session: windows, delivery ids and the links on it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::link::LinkId;
use super::unsettled::UnsettledList;
use crate::codec::amqp::performative::{Flow, LinkFlow};

/// The thing between begin and end.
#[derive(Debug)]
pub(super) struct AmqpSession {
    /// Channel of the peer, once it has begun.
    pub(super) remote_channel: Option<u16>,
    /// Set once we have sent our end: everything but the peer's end is ignored.
    pub(super) ending: bool,
    /// Transfer id of the next frame from the peer, once it has begun.
    pub(super) next_incoming_id: Option<u32>,
    /// Frames that the peer may still send.
    pub(super) incoming_window: u32,
    /// Transfer id of our next frame.
    pub(super) next_outgoing_id: u32,
    /// Frames that we may still send.
    pub(super) remote_incoming_window: u32,
    /// Number of our next delivery.
    pub(super) next_delivery_id: u32,
    /// Highest handle that the peer accepts.
    pub(super) handle_max: u32,
    /// Links by our handle.
    handles: Vec<Option<LinkId>>,
    /// Handles below the length of `handles` that no link has.
    free_handles: Vec<u32>,
    /// Links by the peer's handle.
    pub(super) remote_handles: BTreeMap<u32, LinkId>,
    /// Our deliveries without outcome, in order of their numbers.
    pub(super) unsettled: UnsettledList,
    /// The rest of a message that the window stopped.
    pub(super) unsent: Option<Unsent>,
}

/// What is left of a message after the frames that the window allowed.
#[derive(Debug)]
pub(super) struct Unsent {
    pub(super) link: LinkId,
    pub(super) rest: Bytes,
}

/// First transfer and delivery number of every session, as the real service has it.
pub(super) const FIRST_OUTGOING_ID: u32 = 1;

impl AmqpSession {
    pub(super) fn new(window: u32) -> Self {
        Self {
            remote_channel: None,
            ending: false,
            next_incoming_id: None,
            incoming_window: window,
            next_outgoing_id: FIRST_OUTGOING_ID,
            remote_incoming_window: 0,
            next_delivery_id: 0,
            handle_max: 0,
            handles: Vec::new(),
            free_handles: Vec::new(),
            remote_handles: BTreeMap::new(),
            unsettled: UnsettledList::default(),
            unsent: None,
        }
    }

    /// Takes a free handle, if the peer accepts one more.
    pub(super) fn take_handle(&mut self) -> Option<u32> {
        if let Some(handle) = self.free_handles.pop() {
            return Some(handle);
        }
        let handle = u32::try_from(self.handles.len()).ok()?;
        if self.remote_channel.is_some() && handle > self.handle_max {
            return None;
        }
        self.handles.push(None);
        Some(handle)
    }

    /// Puts a link under a handle that it has taken.
    pub(super) fn bind_handle(&mut self, handle: u32, link: LinkId) {
        if let Some(place) = self.place_of(handle) {
            *place = Some(link);
        }
    }

    /// Lets others take the handle of a link that is gone.
    pub(super) fn free_handle(&mut self, handle: u32) {
        if self.place_of(handle).is_some_and(|place| place.take().is_some()) {
            self.free_handles.push(handle);
        }
    }

    fn place_of(&mut self, handle: u32) -> Option<&mut Option<LinkId>> {
        usize::try_from(handle).ok().and_then(|place| self.handles.get_mut(place))
    }

    /// Takes all links out.
    pub(super) fn take_links(&mut self) -> impl Iterator<Item = LinkId> + use<> {
        self.free_handles.clear();
        core::mem::take(&mut self.handles).into_iter().flatten()
    }

    /// Takes over what a flow says about our window; `true` if it was shut and is open now.
    pub(super) fn on_peer_window(&mut self, flow: &Flow) -> bool {
        let was_shut = self.remote_incoming_window == 0;
        let base = flow.next_incoming_id.unwrap_or(FIRST_OUTGOING_ID);
        let in_flight = self.next_outgoing_id.wrapping_sub(base);
        self.remote_incoming_window = flow.incoming_window.saturating_sub(in_flight);
        was_shut && self.remote_incoming_window > 0
    }

    /// A flow that tells the peer our windows, opened wide again.
    pub(super) fn flow(&mut self, window: u32, link: Option<LinkFlow>) -> Flow {
        self.incoming_window = window;
        Flow {
            next_incoming_id: self.next_incoming_id,
            incoming_window: window,
            next_outgoing_id: self.next_outgoing_id,
            outgoing_window: window,
            link,
            echo: false,
        }
    }

    /// Counts a transfer frame of the peer; `false` if it had no window for it.
    pub(super) fn count_incoming(&mut self) -> bool {
        self.next_incoming_id = self.next_incoming_id.map(|id| id.wrapping_add(1));
        let fits = self.incoming_window > 0;
        self.incoming_window = self.incoming_window.saturating_sub(1);
        fits
    }

    /// Counts a transfer frame of ours.
    pub(super) fn count_outgoing(&mut self) {
        self.next_outgoing_id = self.next_outgoing_id.wrapping_add(1);
        self.remote_incoming_window = self.remote_incoming_window.saturating_sub(1);
    }
}
