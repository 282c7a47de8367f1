//! The links of `$cbs` and `$management`: requests come on one, answers go on another.
//!
//! Source: service-endpoints reference, "CBS", "`$management` node".

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};
use ringhub_core::codec::amqp::performative::Role;
use ringhub_core::codec::amqp::section::{MessageId, MessageIdBuf};
use ringhub_core::limits::AMQP_REQUESTS_MAX;
use ringhub_core::session::amqp::management::PartitionInfo;
use ringhub_core::session::amqp::{AmqpConnection, LinkId, Outgoing, RequestReply, SessionId};

use super::Refusal;
use super::partition_link::last_enqueued;
use crate::partition::{PartitionDescription, ReadRefused};

/// Requests that a client may send on a link before the first answer.
pub(crate) const REQUEST_CREDIT: u32 = 100;

/// Which node a link belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RequestNode {
    Cbs,
    Management,
}

/// One link of a node.
#[derive(Debug)]
pub(crate) struct RequestLink {
    pub(crate) link: LinkId,
    pub(crate) session: SessionId,
    pub(crate) node: RequestNode,
    /// Our role: receiver of requests, or sender of answers.
    pub(crate) role: Role,
    pub(crate) name: Box<str>,
    /// Address that the client gave its own end.
    pub(crate) client_address: Option<Box<str>>,
    /// Requests taken since credit was given last.
    pub(crate) taken: u32,
}

impl RequestLink {
    fn is_called(&self, reply_to: &str) -> bool {
        self.client_address.as_deref() == Some(reply_to) || *self.name == *reply_to
    }
}

/// A question about a partition that its executor has not answered yet.
#[derive(Debug)]
struct Asked {
    token: u64,
    reply_link: LinkId,
    correlation_id: Option<MessageIdBuf>,
    entity: Box<str>,
    partition: Box<str>,
}

/// All links of both nodes on one connection, and the answers that wait.
#[derive(Debug, Default)]
pub(crate) struct RequestLinks {
    links: HashMap<LinkId, RequestLink>,
    /// Links for answers, by what is asked there.
    replies: HashMap<(RequestNode, SessionId), Vec<LinkId>>,
    asked: Vec<Asked>,
    waiting: VecDeque<(LinkId, Bytes)>,
}

impl RequestLinks {
    /// Adds an accepted link.
    pub(crate) fn push(&mut self, link: RequestLink) {
        if link.role == Role::Sender {
            self.replies.entry((link.node, link.session)).or_default().push(link.link);
        }
        self.links.insert(link.link, link);
    }

    /// Forgets a link and the answers that were to go on it.
    pub(crate) fn remove(&mut self, link: LinkId) {
        let Some(RequestLink { node, session, role, .. }) = self.links.remove(&link) else {
            return;
        };
        if role == Role::Receiver {
            return;
        }
        self.waiting.retain(|(other, _)| *other != link);
        self.asked.retain(|asked| asked.reply_link != link);
        if let Some(replies) = self.replies.get_mut(&(node, session)) {
            replies.retain(|other| *other != link);
            if replies.is_empty() {
                self.replies.remove(&(node, session));
            }
        }
    }

    /// The node that requests on `link` are for.
    pub(crate) fn node_of(&self, link: LinkId) -> Option<RequestNode> {
        self.links.get(&link).map(|link| link.node)
    }

    /// True while no further request can be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.asked.len() + self.waiting.len() >= AMQP_REQUESTS_MAX
    }

    /// Gives credit back for a request that was taken, in halves.
    pub(crate) fn count_request(&mut self, link: LinkId, connection: &mut AmqpConnection) {
        let Some(found) = self.links.get_mut(&link) else { return };
        found.taken += 1;
        if found.taken >= REQUEST_CREDIT / 2 {
            connection.grant_credit(link, std::mem::take(&mut found.taken));
        }
    }

    /// The link for answers to requests on `link`: of the same node and session; if there are
    /// several, the one that `reply_to` names.
    pub(crate) fn reply_link(&self, link: LinkId, reply_to: Option<&str>) -> Option<LinkId> {
        let requests = self.links.get(&link)?;
        let replies = self.replies.get(&(requests.node, requests.session))?;
        let named = |reply: &&LinkId| {
            reply_to.is_some_and(|name| self.links.get(*reply).is_some_and(|l| l.is_called(name)))
        };
        replies.iter().find(named).or_else(|| replies.last()).copied()
    }

    /// Queues an answer without body.
    pub(crate) fn reply(&mut self, link: LinkId, reply: &RequestReply<'_>) {
        let mut out = BytesMut::new();
        reply.encode(&mut out);
        self.waiting.push_back((link, out.freeze()));
    }

    /// Queues a good answer whose body `write_body` appends.
    pub(crate) fn reply_with(
        &mut self,
        link: LinkId,
        correlation_id: Option<MessageId<'_>>,
        write_body: impl FnOnce(&mut BytesMut),
    ) {
        let mut out = BytesMut::new();
        RequestReply::ok(correlation_id).encode_head(&mut out);
        write_body(&mut out);
        self.waiting.push_back((link, out.freeze()));
    }

    /// Notes a question to an executor, by the token that its answer will carry.
    pub(crate) fn note_asked(
        &mut self,
        token: u64,
        reply_link: LinkId,
        correlation_id: Option<MessageId<'_>>,
        (entity, partition): (&str, &str),
    ) {
        let correlation_id = correlation_id.map(MessageIdBuf::from);
        let (entity, partition) = (entity.into(), partition.into());
        self.asked.push(Asked { token, reply_link, correlation_id, entity, partition });
    }

    /// An executor has described a partition; nothing happens if nobody asked, or its link is gone.
    pub(crate) fn handle_described(&mut self, token: u64, partition: &PartitionDescription) {
        let Some(asked) = self.take_asked(token) else { return };
        let begin = partition.begin_sequence_number.0;
        let id = asked.correlation_id.as_ref().map(MessageIdBuf::borrowed);
        self.reply_with(asked.reply_link, id, |out| {
            let info = PartitionInfo {
                entity: &asked.entity,
                partition: &asked.partition,
                begin_sequence_number: i64::try_from(begin).unwrap_or(i64::MAX),
                last: last_enqueued(partition),
            };
            info.encode(out);
        });
    }

    /// An executor will not describe a partition.
    pub(crate) fn handle_refused(&mut self, token: u64, refused: &ReadRefused) {
        let Some(asked) = self.take_asked(token) else { return };
        let id = asked.correlation_id.as_ref().map(MessageIdBuf::borrowed);
        self.reply(asked.reply_link, &Refusal::of_read(refused, None).reply(id));
    }

    fn take_asked(&mut self, token: u64) -> Option<Asked> {
        let place = self.asked.iter().position(|asked| asked.token == token)?;
        Some(self.asked.swap_remove(place))
    }

    /// Sends the answers that can go; the others keep their order.
    pub(crate) fn pump(&mut self, connection: &mut AmqpConnection) {
        if self.waiting.is_empty() {
            return;
        }
        self.waiting
            .retain(|(link, answer)| connection.send(*link, &[answer], Outgoing::SETTLED).is_err());
    }
}
