//! `$cbs` from the other side: what a client asks, and what it hears.

use bytes::BytesMut;

use super::cbs::PutToken;
use crate::codec::amqp::primitive::{Value, write_str, write_timestamp};
use crate::codec::amqp::section::{
    MapSection, Message, MessageId, Properties, begin_map_section, end_map_section,
    write_value_descriptor,
};

impl PutToken<'_> {
    /// Appends the request to put the token, as the SDKs send it (client side).
    pub fn encode(&self, message_id: MessageId<'_>, out: &mut BytesMut) {
        let properties = Properties {
            message_id: Some(message_id),
            to: Some("$cbs"),
            reply_to: Some("cbs"),
            ..Properties::default()
        };
        properties.encode(out);
        let start = begin_map_section(out, MapSection::ApplicationProperties);
        let pairs =
            [("operation", "put-token"), ("type", self.token_type), ("name", self.audience)];
        for (name, value) in pairs {
            write_str(out, name);
            write_str(out, value);
        }
        if let Some(expiration) = self.expiration {
            write_str(out, "expiration");
            write_timestamp(out, expiration);
        }
        end_map_section(out, start, if self.expiration.is_some() { 8 } else { 6 });
        write_value_descriptor(out);
        write_str(out, self.token);
    }
}

/// The answer of `$cbs` (client side).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CbsAnswer<'a> {
    /// Message id of the request, in the type it went out.
    pub correlation_id: MessageId<'a>,
    /// 200 if the token was taken.
    pub status: i32,
    /// Text for people.
    pub description: &'a str,
}

impl<'a> CbsAnswer<'a> {
    /// Reads a message of the hub; `None` if the hub never sends such a one.
    #[must_use]
    pub fn decode(payload: &'a [u8]) -> Option<Self> {
        let message = Message::decode(payload).ok()?;
        let said = message.application_properties?;
        let Some(Value::Int(status)) = said.value("status-code") else { return None };
        Some(Self {
            correlation_id: message.properties.correlation_id?,
            status,
            description: said.value("status-description")?.as_text()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::amqp::RequestReply;
    use crate::session::amqp::cbs::{CbsFault, CbsRequest};

    #[test]
    fn a_client_and_the_hub_understand_each_other() {
        for expiration in [None, Some(5)] {
            let put_token = PutToken {
                token_type: "servicebus.windows.net:sastoken",
                audience: "demo.example/devices/d",
                expiration,
                token: "SharedAccessSignature sr=x",
            };
            let id = MessageId::Ulong(0);
            let mut out = BytesMut::new();
            put_token.encode(id, &mut out);
            let request = CbsRequest::decode(&out).unwrap();
            assert_eq!((request.message_id, request.reply_to), (Some(id), Some("cbs")));
            assert_eq!(request.put_token, Ok(put_token));
        }
        let correlation_id = MessageId::Str("x");
        let mut out = BytesMut::new();
        RequestReply::ok(Some(correlation_id)).encode(&mut out);
        let taken = CbsAnswer { correlation_id, status: 200, description: "OK" };
        assert_eq!(CbsAnswer::decode(&out), Some(taken));
        out.clear();
        CbsFault::Token.reply(Some(correlation_id)).encode(&mut out);
        assert_eq!(CbsAnswer::decode(&out).map(|answer| answer.status), Some(400));
        assert_eq!(CbsAnswer::decode(b""), None);
    }
}
