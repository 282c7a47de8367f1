//! Links come and go.

use bytes::BytesMut;

use super::connection::{AmqpConnection, Phase};
use super::link::{Link, LinkAccept, LinkId, LinkState, SessionId};
use super::signal::AmqpEvent;
use crate::codec::amqp::performative::{
    AmqpError, Attach, Condition, Detach, Performative, Role, Source, Target,
};
use crate::codec::amqp::primitive::Value;
use crate::limits::{AMQP_LINK_NAME_LEN_MAX, AMQP_REFUSAL_PAUSE};
use crate::time::Timestamp;

/// A refused link whose detach is still to come.
#[derive(Debug)]
pub(super) struct Refused {
    link: LinkId,
    /// The detach as it will be written.
    detach: Box<[u8]>,
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
        if let Some(id) = self.named(channel, attach.name, attach.role.opposite()) {
            match self.links.link(id)?.state {
                LinkState::AwaitingAttach => return self.on_attach_answer(id, attach),
                LinkState::AwaitingDetach | LinkState::Refused => {}
                _ => self.steal(id),
            }
        }
        self.on_attach_request(channel, attach, body)
    }

    fn named(&self, channel: u16, name: &str, role: Role) -> Option<LinkId> {
        let same = |(_, link): &(LinkId, &Link)| {
            link.session == channel && link.role == role && *link.name == *name
        };
        self.links.iter().find(same).map(|(id, _)| id)
    }

    fn steal(&mut self, id: LinkId) {
        let error = AmqpError::new(Condition::Stolen, "the link was attached again");
        self.detach(id, Some(error));
        self.orphans.push(id);
    }

    fn on_attach_answer<'i>(&mut self, id: LinkId, attach: &Attach<'i>) -> Option<AmqpEvent<'i>> {
        self.bind_remote_handle(id, attach.handle);
        let link = self.links.link_mut(id)?;
        if attach.source.is_none() && attach.target.is_none() {
            link.state = LinkState::AwaitingRefusal;
            return None;
        }
        link.state = LinkState::Attached;
        if link.role == Role::Receiver {
            link.delivery_count = attach.initial_delivery_count.unwrap_or(0);
        } else {
            link.max_message_size = attach.max_message_size.unwrap_or(0);
        }
        Some(AmqpEvent::LinkAttached { link: id, attach: *attach })
    }

    fn on_attach_request<'i>(
        &mut self,
        channel: u16,
        attach: &Attach<'i>,
        body: &'i [u8],
    ) -> Option<AmqpEvent<'i>> {
        let full = self.links.len() >= self.config.links_max;
        let Some(handle) = self.session_mut(channel)?.free_handle() else {
            let error = AmqpError::new(Condition::ResourceLimitExceeded, "no handle is left");
            self.end_session(channel, &error);
            return None;
        };
        let role = attach.role.opposite();
        let mut link = Link::new(channel, attach.name, role, handle);
        match role {
            Role::Receiver => link.delivery_count = attach.initial_delivery_count.unwrap_or(0),
            Role::Sender => link.max_message_size = attach.max_message_size.unwrap_or(0),
        }
        let id = self.links.insert(link);
        self.session_mut(channel)?.set_handle(handle, Some(id));
        self.bind_remote_handle(id, attach.handle);
        self.requested = Some((id, body.into()));
        if full {
            let limit = Condition::ResourceLimitExceeded;
            self.refuse_link(id, &AmqpError::new(limit, "too many links on the connection"));
            return None;
        }
        if attach.name.len() > AMQP_LINK_NAME_LEN_MAX {
            let error = AmqpError::new(Condition::InvalidField, "the link name is too long");
            self.refuse_link(id, &error);
            return None;
        }
        Some(AmqpEvent::LinkRequested { link: id, attach: *attach })
    }

    fn bind_remote_handle(&mut self, id: LinkId, handle: u32) {
        let Some(link) = self.links.link_mut(id) else { return };
        link.remote_handle = Some(handle);
        let channel = link.session;
        if let Some(session) = self.session_mut(channel) {
            session.remote_handles.insert(handle, id);
        }
    }

    /// Accepts the link that awaits an answer: name, termini, filters and properties are echoed.
    ///
    /// Credit follows at once if the peer is the sender.
    pub fn accept_link(&mut self, id: LinkId, accept: LinkAccept) {
        let Some((attach_body, link)) = self.take_requested(id) else { return };
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

    /// Refuses the link that awaits an answer: an attach without termini, and the detach with the
    /// reason [`AMQP_REFUSAL_PAUSE`] later. A client that begins to listen for the end of a link
    /// once it has the attach would miss a detach that comes with it.
    pub fn refuse_link(&mut self, id: LinkId, error: &AmqpError<'_>) {
        let Some((attach_body, link)) = self.take_requested(id) else { return };
        let Ok((Performative::Attach(asked), _)) = Performative::decode(&attach_body) else {
            return;
        };
        let (channel, handle, role) = (link.session, link.handle, link.role);
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
        let mut detach = BytesMut::new();
        Detach { handle, closed: true, error: Some(*error) }.encode(&mut detach);
        let due = self.now + AMQP_REFUSAL_PAUSE;
        self.refused.push_back(Refused { link: id, detach: detach[..].into(), due });
        if let Some(link) = self.links.link_mut(id) {
            link.state = LinkState::Refused;
        }
    }

    /// Detaches the refused links whose time has come.
    pub(super) fn detach_refused(&mut self) {
        while let Some(refused) = self.refused.pop_front_if(|first| first.due <= self.now) {
            self.detach_refused_link(&refused);
        }
    }

    fn detach_refused_link(&mut self, refused: &Refused) {
        let Some(link) = self.links.link_mut(refused.link) else { return };
        link.state = LinkState::AwaitingDetach;
        let channel = link.session;
        self.write(channel, |out| out.extend_from_slice(&refused.detach));
    }

    fn take_requested(&mut self, id: LinkId) -> Option<(Box<[u8]>, &Link)> {
        self.requested.as_ref().filter(|(requested, _)| *requested == id)?;
        let (_, body) = self.requested.take()?;
        Some((body, self.links.link(id)?))
    }

    /// Asks the peer for a link (client side); the handle in `attach` is chosen here.
    ///
    /// `None` if the session is gone or takes no more links.
    pub fn attach(&mut self, session: SessionId, attach: &Attach<'_>) -> Option<LinkId> {
        if self.phase != Phase::Open || self.links.len() >= self.config.links_max {
            return None;
        }
        let handle = self.session_mut(session.0).filter(|s| !s.ending)?.free_handle()?;
        let mut link = Link::new(session.0, attach.name, attach.role, handle);
        link.state = LinkState::AwaitingAttach;
        if attach.role == Role::Receiver {
            link.max_message_size = attach.max_message_size.unwrap_or(0);
        }
        let id = self.links.insert(link);
        self.session_mut(session.0)?.set_handle(handle, Some(id));
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
        link.state = LinkState::AwaitingDetach;
        let (channel, handle) = (link.session, link.handle);
        self.drop_partial(id);
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
        if let Some(place) = self.refused.iter().position(|refused| refused.link == id)
            && let Some(refused) = self.refused.remove(place)
        {
            self.detach_refused_link(&refused);
        }
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
        self.drop_partial(id);
        if self.requested.as_ref().is_some_and(|(requested, _)| *requested == id) {
            self.requested = None;
        }
        let Some(link) = self.links.remove(id) else { return false };
        if let Some(session) = self.session_mut(link.session) {
            session.set_handle(link.handle, None);
            if let Some(remote) = link.remote_handle {
                session.remote_handles.remove(&remote);
            }
            session.unsettled.retain(|delivery| delivery.link != id);
            session.unsent.take_if(|unsent| unsent.link == id);
        }
        !matches!(link.state, LinkState::AwaitingDetach | LinkState::Refused)
    }
}
