//! One device over HTTP/1.1: a POST for each message, or for many, on a connection that is kept,
//! without IO.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use ringhub_core::message::BATCH_CONTENT_TYPE;
use ringhub_core::time::Timestamp;

use crate::device::Message;
use crate::failure::Failure;
use crate::fleet::{API_VERSION, Login, percent_encode};
use crate::numbering;

/// Headers of an answer that are looked at.
const HEADERS_MAX: usize = 32;
/// What a message adds to its base64 text in an array.
const ITEM_BYTES: usize = r#"{"body":""},"#.len();

/// A connection of one device.
pub(crate) struct HttpDevice {
    /// Everything of a request before its length.
    head: Box<str>,
    /// Whether the messages that are sent at once go into one request.
    is_batched: bool,
    patience: Duration,
    /// Requests without an answer, oldest first.
    awaiting: VecDeque<Request>,
    in_flight: usize,
    out: BytesMut,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    tag: u64,
    messages: u32,
    sent: Timestamp,
}

/// Bytes of a request's body that holds `messages` messages of `payload_bytes` each.
pub(crate) const fn batch_bytes(messages: u32, payload_bytes: u32) -> u64 {
    let base64 = (payload_bytes as u64).div_ceil(3) * 4;
    2 + messages as u64 * (base64 + ITEM_BYTES as u64)
}

impl HttpDevice {
    /// `is_batched` puts the messages that are sent at once into one request; `patience` is the
    /// time that the server has for an answer.
    pub(crate) fn new(host: &str, login: &Login, is_batched: bool, patience: Duration) -> Self {
        let device = percent_encode(&login.client_id);
        let token = login.token.as_ref().map(|token| format!("Authorization: {token}\r\n"));
        let token = token.unwrap_or_default();
        let content_type = match is_batched {
            true => BATCH_CONTENT_TYPE,
            false => "application/octet-stream",
        };
        let head = format!(
            "POST /devices/{device}/messages/events?api-version={API_VERSION} HTTP/1.1\r\n\
             Host: {host}\r\n{token}Content-Type: {content_type}\r\nContent-Length: "
        );
        Self {
            head: head.into(),
            is_batched,
            patience,
            awaiting: VecDeque::new(),
            in_flight: 0,
            out: BytesMut::new(),
        }
    }

    /// Messages without an answer.
    pub(crate) const fn inflight(&self) -> usize {
        self.in_flight
    }

    /// Sends `count` messages: a request for each, one after the other, or one for all. `tag` comes
    /// back with each message that is acknowledged.
    pub(crate) fn publish(
        &mut self,
        message: Message<'_>,
        (count, tag): (u32, u64),
        payload: &mut Vec<u8>,
        now: Timestamp,
    ) {
        let Message { payload: body, first_number, .. } = message;
        let mut numbered = |place: u32| match first_number {
            Some(first) => numbering::write(payload, body, first + u64::from(place)).to_owned(),
            None => body.to_owned(),
        };
        if self.is_batched {
            let items = (0..count)
                .map(|place| format!(r#"{{"body":"{}"}}"#, STANDARD.encode(numbered(place))));
            let array = format!("[{}]", items.collect::<Vec<_>>().join(","));
            self.request(array.as_bytes(), Request { tag, messages: count, sent: now });
        } else {
            for place in 0..count {
                let body = numbered(place);
                self.request(&body, Request { tag, messages: 1, sent: now });
            }
        }
    }

    fn request(&mut self, body: &[u8], request: Request) {
        self.out.extend_from_slice(self.head.as_bytes());
        self.out.extend_from_slice(format!("{}\r\n\r\n", body.len()).as_bytes());
        self.out.extend_from_slice(body);
        self.in_flight += request.messages as usize;
        self.awaiting.push_back(request);
    }

    /// Reads whole answers and appends the tag of each message they acknowledge to `acknowledged`;
    /// returns how many bytes those were.
    pub(crate) fn handle_bytes(
        &mut self,
        bytes: &[u8],
        acknowledged: &mut Vec<u64>,
    ) -> Result<usize, Failure> {
        let mut used = 0;
        while let Some(answer) = Answer::read(&bytes[used..])? {
            used += answer.bytes;
            let request = self.awaiting.pop_front().ok_or(Failure::Disordered)?;
            if answer.status != 204 {
                return Err(Failure::Status(answer.status));
            }
            self.in_flight -= request.messages as usize;
            acknowledged.extend((0..request.messages).map(|_| request.tag));
        }
        Ok(used)
    }

    /// Appends what is to be sent; whether there was anything.
    pub(crate) fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        out.extend_from_slice(&self.out);
        let has_some = !self.out.is_empty();
        // An idle device keeps no buffer.
        self.out = BytesMut::new();
        has_some
    }

    /// The clock spoke; the error is that an answer has been awaited for too long.
    pub(crate) fn handle_timeout(&self, now: Timestamp) -> Result<(), Failure> {
        let is_late = self.awaiting.front().is_some_and(|first| now >= first.sent + self.patience);
        if is_late { Err(Failure::Unanswered) } else { Ok(()) }
    }
}

/// What a server has answered.
struct Answer {
    status: u16,
    /// Head and body.
    bytes: usize,
}

impl Answer {
    /// The answer that `bytes` begin with; `None` until it is whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(Failure::of_protocol)?;
        let httparse::Status::Complete(head) = parsed else { return Ok(None) };
        let length =
            response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|header| std::str::from_utf8(header.value).ok());
        let length = length.and_then(|text| text.parse().ok()).unwrap_or(0_usize);
        let whole = head.saturating_add(length);
        let status = response.code.unwrap_or_default();
        Ok((whole <= bytes.len()).then_some(Self { status, bytes: whole }))
    }
}

#[cfg(test)]
mod tests {
    use ringhub_core::codec::mqtt::Qos;

    use super::*;

    fn device(is_batched: bool) -> HttpDevice {
        let token = Some("SharedAccessSignature x".to_owned());
        let login = Login { client_id: "a#1".to_owned(), user_name: None, token };
        HttpDevice::new("hub", &login, is_batched, Duration::from_secs(30))
    }

    fn sent(device: &mut HttpDevice, count: u32, payload: &[u8]) -> String {
        let message = Message { topic: "", payload, first_number: None, qos: Qos::AtLeastOnce };
        device.publish(message, (count, 7), &mut Vec::new(), Timestamp::ZERO);
        let mut out = BytesMut::new();
        assert!(device.poll_transmit(&mut out) && !device.poll_transmit(&mut BytesMut::new()));
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn each_message_is_a_request_whose_answer_acknowledges_it() {
        let mut device = device(false);
        let text = sent(&mut device, 2, b"ab");
        let begins = "POST /devices/a%231/messages/events?api-version=2021-04-12 HTTP/1.1\r\n";
        assert!(text.starts_with(begins) && text.ends_with("\r\nContent-Length: 2\r\n\r\nab"));
        assert_eq!(text.matches("POST").count(), 2);
        let answers = b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\nx: y\r\n\r\nHTTP";
        let mut acknowledged = Vec::new();
        let used = device.handle_bytes(answers, &mut acknowledged).unwrap();
        assert_eq!((used, acknowledged), (answers.len() - 4, vec![7, 7]));
        assert_eq!(device.inflight(), 0);
    }

    #[test]
    fn an_array_of_messages_is_acknowledged_as_one() {
        let mut device = device(true);
        let text = sent(&mut device, 3, b"ab");
        assert!(text.ends_with(r#"[{"body":"YWI="},{"body":"YWI="},{"body":"YWI="}]"#), "{text}");
        let body = text.split("\r\n\r\n").nth(1).unwrap();
        assert!(body.len() as u64 <= batch_bytes(3, 2));
        let mut acknowledged = Vec::new();
        device.handle_bytes(b"HTTP/1.1 204 No Content\r\n\r\n", &mut acknowledged).unwrap();
        assert_eq!(acknowledged, [7, 7, 7]);
    }

    #[test]
    fn an_answer_is_read_once_its_body_is_there_and_what_it_refuses_is_a_failure() {
        let mut device = device(false);
        sent(&mut device, 1, b"x");
        let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}";
        let mut acknowledged = Vec::new();
        for end in [10, answer.len() - 1] {
            assert_eq!(device.handle_bytes(&answer[..end], &mut acknowledged).unwrap(), 0);
        }
        let refused = device.handle_bytes(answer, &mut acknowledged).unwrap_err();
        assert!(matches!(refused, Failure::Status(401)), "{refused}");
        let late = device.handle_timeout(Timestamp::ZERO + Duration::from_secs(3600));
        assert!(late.is_ok(), "an answered request is not awaited");
    }
}
