//! Answers of request-response nodes.

use bytes::BytesMut;

use crate::codec::amqp::performative::Condition;
use crate::codec::amqp::primitive::{write_int, write_str, write_symbol};
use crate::codec::amqp::section::{
    MapSection, MessageId, Properties, begin_map_section, end_map_section, write_null_body,
};

/// The head of an answer of `$cbs` or `$management`; a body section follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestReply<'a> {
    /// Message id of the request, in the type it came in.
    pub correlation_id: Option<MessageId<'a>>,
    /// HTTP-like status; success is 200 and nothing else.
    pub status: i32,
    /// Text for people, always sent because some clients cast it blindly.
    pub description: &'a str,
    /// What went wrong, on failures.
    pub condition: Option<Condition>,
}

impl<'a> RequestReply<'a> {
    /// The good answer.
    #[must_use]
    pub const fn ok(correlation_id: Option<MessageId<'a>>) -> Self {
        Self { correlation_id, status: 200, description: "OK", condition: None }
    }

    /// Appends properties and application properties.
    pub fn encode_head(&self, out: &mut BytesMut) {
        Properties { correlation_id: self.correlation_id, ..Properties::default() }.encode(out);
        let start = begin_map_section(out, MapSection::ApplicationProperties);
        write_str(out, "status-code");
        write_int(out, self.status);
        write_str(out, "status-description");
        write_str(out, self.description);
        if let Some(condition) = self.condition {
            write_str(out, "error-condition");
            write_symbol(out, condition.name());
        }
        end_map_section(out, start, if self.condition.is_some() { 6 } else { 4 });
    }

    /// Appends a whole answer whose body says nothing more.
    pub fn encode(&self, out: &mut BytesMut) {
        self.encode_head(out);
        write_null_body(out);
    }
}
