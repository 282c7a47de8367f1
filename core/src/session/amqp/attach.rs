//! Links come and go.

use bytes::BytesMut;

use super::connection::{AmqpConnection, Phase};
use super::link::{Link, LinkAccept, LinkId, LinkState, SessionId};
use super::link_table::LinkName;
use super::signal::AmqpEvent;
use crate::codec::amqp::performative::{
    AmqpError, Attach, Condition, Detach, Performative, Role, Source, Target,
};
use crate::codec::amqp::primitive::Value;
use crate::limits::{
    AMQP_LINK_NAME_LEN_MAX, AMQP_LINKS_OVER_MAX, AMQP_REFUSAL_PAUSE, AMQP_REFUSALS_MAX,
};
use crate::time::Timestamp;

/// A refused link whose detach is still to come, unless the peer has detached first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    link: LinkId,
    /// When it is written.
    pub(super) due: Timestamp,
}

impl AmqpConnection {
    /// The peer attaches: anew, or in answer to us. `body` is the frame as it came.
    pub(super) fn on_attach<'i>(
        &mut self,
        channel: u16,
        attach: &Attach<'i>,
        body: &'i [u8],
    ) -> Option<AmqpEvent<'i>> {
        let handle_taken = self.session_mut(channel)?.remote_handles.contains_key(&attach.handle);
        if handle_taken || attach.handle > self.config.handle_max {
            let error = AmqpError::new(Condition::HandleInUse, "the handle is taken or too high");
            self.end_session(channel, &error);
            return None;
        }
        let role = attach.role.opposite();
        if let Some(id) = self.links.find(LinkName { session: channel, role, name: attach.name }) {
            match self.links.link(id)?.state {
                LinkState::AwaitingAttach => return self.on_attach_answer(id, attach),
                // We gave it up before this answer, which a detach follows.
                LinkState::AwaitingDetach => {
                    self.bind_remote_handle(id, attach.handle);
                    return None;
                }
                _ => self.steal(id),
            }
        }
        self.on_attach_request(channel, attach, body)
    }

    fn steal(&mut self, id: LinkId) {
        let error = AmqpError::new(Condition::Stolen, "the link was attached again");
        if self.links.link(id).is_some_and(|link| link.state == LinkState::AwaitingAnswer) {
            self.refuse_link(id, &error);
        } else {
            self.send_detach(id, Some(error));
        }
        self.orphans.push(id);
    }

    fn on_attach_answer<'i>(&mut self, id: LinkId, attach: &Attach<'i>) -> Option<AmqpEvent<'i>> {
        self.bind_remote_handle(id, attach.handle);
        if attach.fault.is_some() {
            self.detach_for(id, Condition::InvalidField, "the attach has an invalid field");
            return None;
        }
        let link = self.links.link_mut(id)?;
        if attach.source.is_none() && attach.target.is_none() {
            link.state = LinkState::AwaitingRefusal;
            self.links.free_name(id);
            return None;
        }
        link.state = LinkState::Attached;
        if link.role == Role::Receiver {
            link.delivery_count = attach.initial_delivery_count.unwrap_or(0);
        } else {
            link.max_message_size = attach.max_message_size.unwrap_or(0);
        }
        Some(AmqpEvent::LinkAttached { link: id, attach: Box::new(*attach) })
    }

    fn on_attach_request<'i>(
        &mut self,
        channel: u16,
        attach: &Attach<'i>,
        body: &'i [u8],
    ) -> Option<AmqpEvent<'i>> {
        let too_many = self.links.len().saturating_sub(self.config.links_max);
        let handle = self.session_mut(channel)?.take_handle();
        let Some(handle) = handle.filter(|_| too_many < AMQP_LINKS_OVER_MAX) else {
            let error = AmqpError::new(Condition::ResourceLimitExceeded, "no handle is left");
            self.end_session(channel, &error);
            return None;
        };
        let is_full = self.links.len() >= self.config.links_max;
        let id = self.insert_requested(channel, handle, attach, body);
        if is_full {
            let limit = Condition::ResourceLimitExceeded;
            self.refuse_link(id, &AmqpError::new(limit, "too many links on the connection"));
            return None;
        }
        if attach.name.len() > AMQP_LINK_NAME_LEN_MAX {
            let error = AmqpError::new(Condition::InvalidField, "the link name is too long");
            self.refuse_link(id, &error);
            return None;
        }
        if let Some(fault) = attach.fault {
            let text = format!("the attach is not valid: {fault}");
            self.refuse_link(id, &AmqpError::new(Condition::InvalidField, &text));
            return None;
        }
        Some(AmqpEvent::LinkRequested { link: id, attach: Box::new(*attach) })
    }

    fn insert_requested(
        &mut self,
        channel: u16,
        handle: u32,
        attach: &Attach<'_>,
        body: &[u8],
    ) -> LinkId {
        let role = attach.role.opposite();
        let mut link = Link::new(channel, attach.name, role, handle);
        match role {
            Role::Receiver => link.delivery_count = attach.initial_delivery_count.unwrap_or(0),
            Role::Sender => link.max_message_size = attach.max_message_size.unwrap_or(0),
        }
        link.asked = Some(body.into());
        self.asked_bytes += body.len();
        let id = self.links.insert(link);
        if let Some(session) = self.session_mut(channel) {
            session.bind_handle(handle, id);
        }
        self.bind_remote_handle(id, attach.handle);
        id
    }

    fn bind_remote_handle(&mut self, id: LinkId, handle: u32) {
        let Some(link) = self.links.link_mut(id) else { return };
        link.remote_handle = Some(handle);
        let channel = link.session;
        if let Some(session) = self.session_mut(channel) {
            session.remote_handles.insert(handle, id);
        }
    }

    /// Accepts a link that awaits an answer: name, termini, settle modes, filters and properties
    /// are echoed. Links may be answered in any order and at any later time; one that is gone or
    /// answered already is left alone.
    ///
    /// Credit follows at once if the peer is the sender. If it is the receiver, it may have granted
    /// credit before this answer: no `Credit` event tells of that, so look at
    /// [`credit_of`](Self::credit_of) once.
    pub fn accept_link(&mut self, id: LinkId, accept: LinkAccept) {
        let Some((attach_body, link)) = self.take_asked(id) else { return };
        let Ok((Performative::Attach(asked), _)) = Performative::decode(&attach_body) else {
            return;
        };
        let (channel, handle, role) = (link.session, link.handle, link.role);
        let answer = Attach {
            handle,
            role,
            snd_settle_mode: accept.snd_settle_mode.unwrap_or(asked.snd_settle_mode),
            source: Some(asked.source.unwrap_or_default()),
            target: Some(asked.target.unwrap_or_default()),
            initial_delivery_count: (role == Role::Sender).then_some(0),
            max_message_size: Some(accept.max_message_size),
            desired_capabilities: Value::Null,
            ..asked
        };
        self.write(channel, |out| answer.encode(out));
        if let Some(link) = self.links.link_mut(id) {
            link.state = LinkState::Attached;
            if role == Role::Receiver {
                link.max_message_size = accept.max_message_size;
            }
        }
        if role == Role::Receiver && accept.credit > 0 {
            self.grant_credit(id, accept.credit);
        }
    }

    /// Refuses a link that awaits an answer: an attach without termini, and the detach with the
    /// reason [`AMQP_REFUSAL_PAUSE`] later. A client that begins to listen for the end of a link
    /// once it has the attach would miss a detach that comes with it.
    ///
    /// The driver hears no more of the link.
    pub fn refuse_link(&mut self, id: LinkId, error: &AmqpError<'_>) {
        let Some(handle) = self.answer_without_termini(id) else { return };
        let mut detach = BytesMut::new();
        Detach { handle, closed: true, error: Some(*error) }.encode(&mut detach);
        self.links.free_name(id);
        if let Some(link) = self.links.link_mut(id) {
            link.state = LinkState::Refused;
            link.refusal = Some(detach[..].into());
        }
        if self.refused.len() < AMQP_REFUSALS_MAX {
            self.refused.push_back(Refused { link: id, due: self.now + AMQP_REFUSAL_PAUSE });
        } else {
            self.detach_refused_link(id);
        }
    }

    /// Answers an attach that awaits its answer, for a detach to follow; our handle.
    fn answer_without_termini(&mut self, id: LinkId) -> Option<u32> {
        let (attach_body, link) = self.take_asked(id)?;
        let (channel, handle, role) = (link.session, link.handle, link.role);
        let Ok((Performative::Attach(asked), _)) = Performative::decode(&attach_body) else {
            return None;
        };
        let answer = Attach {
            handle,
            role,
            source: None,
            target: None,
            initial_delivery_count: (role == Role::Sender).then_some(0),
            max_message_size: None,
            desired_capabilities: Value::Null,
            properties: None,
            ..asked
        };
        self.write(channel, |out| answer.encode(out));
        Some(handle)
    }

    /// Detaches the refused links whose time has come.
    pub(super) fn detach_refused(&mut self) {
        while let Some(refused) = self.refused.pop_front_if(|first| first.due <= self.now) {
            self.detach_refused_link(refused.link);
        }
    }

    /// Tells the reason of a refusal, unless that was done already.
    fn detach_refused_link(&mut self, id: LinkId) {
        let Some(link) = self.links.link_mut(id) else { return };
        let Some(detach) = link.refusal.take() else { return };
        link.state = LinkState::AwaitingDetach;
        let channel = link.session;
        self.write(channel, |out| out.extend_from_slice(&detach));
    }

    fn take_asked(&mut self, id: LinkId) -> Option<(Box<[u8]>, &Link)> {
        if self.phase != Phase::Open {
            return None;
        }
        let asked = self.links.link_mut(id)?.asked.take()?;
        self.asked_bytes -= asked.len();
        Some((asked, self.links.link(id)?))
    }

    /// Asks the peer for a link (client side); the handle in `attach` is chosen here.
    ///
    /// `None` if the session is gone or takes no more links.
    pub fn attach(&mut self, session: SessionId, attach: &Attach<'_>) -> Option<LinkId> {
        if self.phase != Phase::Open || self.links.len() >= self.config.links_max {
            return None;
        }
        let handle = self.session_mut(session.0).filter(|s| !s.ending)?.take_handle()?;
        let mut link = Link::new(session.0, attach.name, attach.role, handle);
        link.state = LinkState::AwaitingAttach;
        if attach.role == Role::Receiver {
            link.max_message_size = attach.max_message_size.unwrap_or(0);
        }
        let id = self.links.insert(link);
        self.session_mut(session.0)?.bind_handle(handle, id);
        self.write(session.0, |out| Attach { handle, ..*attach }.encode(out));
        Some(id)
    }

    /// Asks the peer for a link to send on (client side).
    pub fn attach_sender(
        &mut self,
        session: SessionId,
        name: &str,
        target: &str,
    ) -> Option<LinkId> {
        let attach = Attach::plain(name, Role::Sender, Source::new(name), Target::new(target));
        self.attach(session, &attach)
    }

    /// Asks the peer for a link to receive on (client side).
    pub fn attach_receiver(
        &mut self,
        session: SessionId,
        name: &str,
        source: Source<'_>,
    ) -> Option<LinkId> {
        self.attach(session, &Attach::plain(name, Role::Receiver, source, Target::new(name)))
    }

    /// Detaches a link for good; nothing more comes from it.
    pub fn detach(&mut self, id: LinkId, error: Option<AmqpError<'_>>) {
        let open = [LinkState::Attached, LinkState::AwaitingAttach];
        if self.links.link(id).is_some_and(|link| open.contains(&link.state)) {
            self.send_detach(id, error);
        }
    }

    /// Detaches a link for a fault of the peer, and tells the driver.
    pub(super) fn detach_for(&mut self, id: LinkId, condition: Condition, text: &str) {
        self.send_detach(id, Some(AmqpError::new(condition, text)));
        self.orphans.push(id);
    }

    fn send_detach(&mut self, id: LinkId, error: Option<AmqpError<'_>>) {
        let Some(link) = self.links.link_mut(id) else { return };
        let was = core::mem::replace(&mut link.state, LinkState::AwaitingDetach);
        let (channel, handle) = (link.session, link.handle);
        // The peer's answer to an attach finds its link by the name.
        if was != LinkState::AwaitingAttach {
            self.links.free_name(id);
        }
        self.drop_deliveries(id);
        self.write(channel, |out| Detach { handle, closed: true, error }.encode(out));
    }

    pub(super) fn on_detach<'i>(
        &mut self,
        channel: u16,
        detach: &Detach<'i>,
    ) -> Option<AmqpEvent<'i>> {
        let bound = self.session_mut(channel)?.remote_handles.get(&detach.handle).copied();
        let Some(id) = bound else {
            self.end_for_unattached_handle(channel);
            return None;
        };
        self.detach_refused_link(id);
        // Who goes before the answer knows our handle from an attach alone.
        self.answer_without_termini(id);
        let link = self.links.link(id)?;
        let (handle, ours) = (link.handle, link.state == LinkState::AwaitingDetach);
        self.remove_link(id);
        if ours {
            return None;
        }
        self.write(channel, |out| Detach { handle, closed: true, error: None }.encode(out));
        Some(AmqpEvent::LinkDetached { link: id, error: detach.error })
    }

    pub(super) fn end_for_unattached_handle(&mut self, channel: u16) {
        let error = AmqpError::new(Condition::UnattachedHandle, "no link has this handle");
        self.end_session(channel, &error);
    }

    /// Forgets a link; `true` if the driver thought that it was there.
    pub(super) fn remove_link(&mut self, id: LinkId) -> bool {
        self.drop_deliveries(id);
        let Some(link) = self.links.remove(id) else { return false };
        self.asked_bytes -= link.asked.as_ref().map_or(0, |asked| asked.len());
        if let Some(session) = self.session_mut(link.session) {
            session.free_handle(link.handle);
            if let Some(remote) = link.remote_handle {
                session.remote_handles.remove(&remote);
            }
        }
        !matches!(link.state, LinkState::AwaitingDetach | LinkState::Refused)
    }

    /// Forgets what is under way on a link, in both directions.
    fn drop_deliveries(&mut self, id: LinkId) {
        self.drop_partial(id);
        let Some(link) = self.links.link_mut(id) else { return };
        let (channel, unsettled) = (link.session, core::mem::take(&mut link.unsettled));
        self.unsettled -= unsettled;
        let Some(session) = self.session_mut(channel) else { return };
        if unsettled > 0 {
            session.unsettled.remove_link(id);
        }
        session.unsent.take_if(|unsent| unsent.link == id);
    }
}
