//! Client side of one MQTT connection, for the command line, the load generator and tests.

use core::num::NonZeroU16;
use core::time::Duration;
use std::collections::VecDeque;

use bytes::BytesMut;

use super::outbound::following;
use crate::codec::mqtt::{
    Connack, ConnackCode, Connect, Delivery, Disconnect, EncodeError, Packet, Pingreq, Puback,
    Publish, Qos, Suback, Subscribe, Unsubscribe,
};
use crate::id::PacketId;
use crate::time::Timestamp;

/// What the client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitingConnack,
    Connected,
    Closed,
}

/// Why a client could not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no CONNACK yet, or the connection is over.
    #[error("the client is not connected")]
    NotConnected,
    /// As many publishes as permitted await their PUBACK.
    #[error("the in-flight window is full")]
    WindowFull,
    /// A field does not fit.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// The server broke a rule, or a deadline passed; close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The first packet is not CONNACK, or a second one came.
    #[error("CONNACK was not where it belongs")]
    Connack,
    /// A packet that only clients send.
    #[error("a packet that only clients send")]
    ClientPacket,
    /// A PUBACK for an id that is not in flight.
    #[error("PUBACK for packet {0:?}, which is not in flight")]
    UnknownPuback(PacketId),
    /// A publish with QoS 2.
    #[error("a publish with QoS 2")]
    PublishQos,
    /// No answer to CONNECT or PINGREQ in time.
    #[error("the server is silent")]
    Silent,
}

/// What a packet of the server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent<'p> {
    /// The session stands.
    Connected {
        /// The server had state of this client.
        session_present: bool,
    },
    /// The server does not let the client in; the connection is over.
    Refused(ConnackCode),
    /// A publish is acknowledged.
    Acknowledged {
        /// What [`MqttClient::publish`] was given.
        tag: u64,
        /// Whether it was the oldest in flight, as it must be [MQTT-4.6.0-2].
        in_order: bool,
    },
    /// Answer to a SUBSCRIBE.
    Subscribed(Suback<'p>),
    /// Answer to an UNSUBSCRIBE.
    Unsubscribed(PacketId),
    /// A message; with QoS 1 its PUBACK is queued already.
    Message(Publish<'p>),
    /// Answer to a PINGREQ.
    Pong,
}

/// Client side of one MQTT connection: the caller moves bytes and time.
#[derive(Debug)]
pub struct MqttClient {
    state: State,
    keep_alive: Duration,
    answer_timeout: Duration,
    inflight_max: usize,
    inflight: VecDeque<(PacketId, u64)>,
    next_id: NonZeroU16,
    sent: Timestamp,
    awaited_since: Option<Timestamp>,
    transmit: BytesMut,
}

impl MqttClient {
    /// Queues CONNECT. At most `inflight_max` QoS 1 publishes will await their PUBACK; the server
    /// has `answer_timeout` for CONNACK and PINGRESP.
    ///
    /// # Errors
    /// [`EncodeError`] when a field does not fit.
    pub fn connect(
        connect: &Connect<'_>,
        inflight_max: usize,
        answer_timeout: Duration,
        now: Timestamp,
    ) -> Result<Self, EncodeError> {
        let mut transmit = BytesMut::new();
        connect.encode(&mut transmit)?;
        Ok(Self {
            state: State::AwaitingConnack,
            keep_alive: Duration::from_secs(connect.keep_alive.into()),
            answer_timeout,
            inflight_max,
            inflight: VecDeque::new(),
            next_id: NonZeroU16::MIN,
            sent: now,
            awaited_since: Some(now),
            transmit,
        })
    }

    /// Publishes awaiting their PUBACK.
    #[must_use]
    pub fn inflight(&self) -> usize {
        self.inflight.len()
    }

    /// Whether [`publish`](Self::publish) with QoS 1 would be taken now.
    #[must_use]
    pub fn can_publish(&self) -> bool {
        self.state == State::Connected && self.inflight.len() < self.inflight_max
    }

    /// Queues a publish; `tag` comes back with its acknowledgement. Anything above QoS 0 is sent
    /// with QoS 1.
    ///
    /// # Errors
    /// [`SendError`]; nothing has changed.
    pub fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        tag: u64,
    ) -> Result<(), SendError> {
        self.connected()?;
        let mut publish = Publish { topic, delivery: Delivery::AtMostOnce, retain: false, payload };
        if qos == Qos::AtMostOnce {
            return Ok(publish.encode(&mut self.transmit)?);
        }
        if !self.can_publish() {
            return Err(SendError::WindowFull);
        }
        let id = self.free_id()?;
        publish.delivery = Delivery::AtLeastOnce { id, dup: false };
        publish.encode(&mut self.transmit)?;
        self.inflight.push_back((id, tag));
        Ok(())
    }

    /// Queues a SUBSCRIBE with at least one filter and gives the id that its SUBACK will carry.
    ///
    /// # Errors
    /// [`SendError`]; nothing has changed.
    pub fn subscribe(&mut self, filters: &[(&str, Qos)]) -> Result<PacketId, SendError> {
        self.connected()?;
        let id = self.free_id()?;
        Subscribe::encode_filters(id, filters, &mut self.transmit)?;
        Ok(id)
    }

    /// Queues an UNSUBSCRIBE with at least one filter and gives the id that its UNSUBACK will
    /// carry.
    ///
    /// # Errors
    /// [`SendError`]; nothing has changed.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<PacketId, SendError> {
        self.connected()?;
        let id = self.free_id()?;
        Unsubscribe::encode_filters(id, filters, &mut self.transmit)?;
        Ok(id)
    }

    /// Queues a PINGREQ.
    ///
    /// # Errors
    /// [`SendError::NotConnected`].
    pub fn ping(&mut self, now: Timestamp) -> Result<(), SendError> {
        self.connected()?;
        Pingreq.encode(&mut self.transmit);
        self.awaited_since.get_or_insert(now);
        Ok(())
    }

    /// Queues DISCONNECT; end the transport once it is transmitted.
    pub fn disconnect(&mut self) {
        if self.state == State::Connected {
            Disconnect.encode(&mut self.transmit);
        }
        self.state = State::Closed;
    }

    /// The server spoke.
    ///
    /// # Errors
    /// [`ClientError`]: end the transport.
    pub fn handle_packet<'p>(
        &mut self,
        packet: Packet<'p>,
    ) -> Result<ClientEvent<'p>, ClientError> {
        match (self.state, packet) {
            (State::AwaitingConnack, Packet::Connack(connack)) => Ok(self.on_connack(connack)),
            (State::AwaitingConnack, _) | (_, Packet::Connack(_)) => Err(ClientError::Connack),
            (_, Packet::Puback(puback)) => self.on_puback(puback),
            (_, Packet::Publish(publish)) => self.on_publish(publish),
            (_, Packet::Suback(suback)) => Ok(ClientEvent::Subscribed(suback)),
            (_, Packet::Unsuback(unsuback)) => Ok(ClientEvent::Unsubscribed(unsuback.id)),
            (_, Packet::Pingresp(_)) => {
                self.awaited_since = None;
                Ok(ClientEvent::Pong)
            }
            (
                _,
                Packet::Connect(_)
                | Packet::Subscribe(_)
                | Packet::Unsubscribe(_)
                | Packet::Pingreq(_)
                | Packet::Disconnect(_),
            ) => Err(ClientError::ClientPacket),
        }
    }

    /// The clock spoke: pings when nothing was sent for a keep-alive interval. Calling early is
    /// harmless.
    ///
    /// # Errors
    /// [`ClientError::Silent`]: end the transport.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Result<(), ClientError> {
        if self.state == State::Closed {
            return Ok(());
        }
        if self.answer_deadline().is_some_and(|deadline| now >= deadline) {
            return Err(ClientError::Silent);
        }
        if self.ping_deadline().is_some_and(|deadline| now >= deadline) {
            Pingreq.encode(&mut self.transmit);
            self.awaited_since = Some(now);
        }
        Ok(())
    }

    /// Next deadline, if any.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.state == State::Closed {
            return None;
        }
        [self.answer_deadline(), self.ping_deadline()].into_iter().flatten().min()
    }

    /// Appends everything to send and tells whether there was anything.
    pub fn poll_transmit(&mut self, out: &mut BytesMut, now: Timestamp) -> bool {
        if self.transmit.is_empty() {
            return false;
        }
        self.sent = now;
        out.extend_from_slice(&self.transmit);
        self.transmit.clear();
        true
    }

    fn on_connack<'p>(&mut self, connack: Connack) -> ClientEvent<'p> {
        self.awaited_since = None;
        match connack {
            Connack::Accepted { session_present } => {
                self.state = State::Connected;
                ClientEvent::Connected { session_present }
            }
            Connack::Refused(code) => {
                self.state = State::Closed;
                ClientEvent::Refused(code)
            }
        }
    }

    fn on_puback<'p>(&mut self, puback: Puback) -> Result<ClientEvent<'p>, ClientError> {
        let index = self.inflight.iter().position(|(id, _)| *id == puback.id);
        let (_, tag) = index
            .and_then(|index| self.inflight.remove(index))
            .ok_or(ClientError::UnknownPuback(puback.id))?;
        Ok(ClientEvent::Acknowledged { tag, in_order: index == Some(0) })
    }

    fn on_publish<'p>(&mut self, publish: Publish<'p>) -> Result<ClientEvent<'p>, ClientError> {
        match publish.delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce { id, .. } => Puback { id }.encode(&mut self.transmit),
            Delivery::ExactlyOnce { .. } => return Err(ClientError::PublishQos),
        }
        Ok(ClientEvent::Message(publish))
    }

    fn connected(&self) -> Result<(), SendError> {
        if self.state == State::Connected { Ok(()) } else { Err(SendError::NotConnected) }
    }

    /// Gives the next id; refuses to come round to the oldest publish in flight, so none is used
    /// twice.
    fn free_id(&mut self) -> Result<PacketId, SendError> {
        let id = PacketId(self.next_id);
        if self.inflight.front().is_some_and(|(oldest, _)| *oldest == id) {
            return Err(SendError::WindowFull);
        }
        self.next_id = following(id.0);
        Ok(id)
    }

    fn answer_deadline(&self) -> Option<Timestamp> {
        self.awaited_since.map(|since| since + self.answer_timeout)
    }

    fn ping_deadline(&self) -> Option<Timestamp> {
        let idle = self.awaited_since.is_none() && !self.keep_alive.is_zero();
        idle.then(|| self.sent + self.keep_alive)
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::codec::mqtt::decode;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn at(secs: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(secs)
    }

    fn client(inflight_max: usize) -> MqttClient {
        let connect = Connect {
            clean_session: true,
            keep_alive: 60,
            client_id: "d",
            will: None,
            user_name: None,
            password: None,
        };
        MqttClient::connect(&connect, inflight_max, PATIENCE, at(0)).unwrap()
    }

    fn connected(inflight_max: usize) -> MqttClient {
        let mut client = client(inflight_max);
        assert_eq!(
            receive(&mut client, &hex!("20 02 01 00")),
            Ok(ClientEvent::Connected { session_present: true })
        );
        transmitted(&mut client);
        client
    }

    fn receive<'p>(
        client: &mut MqttClient,
        bytes: &'p [u8],
    ) -> Result<ClientEvent<'p>, ClientError> {
        client.handle_packet(decode(bytes).unwrap().unwrap().0)
    }

    fn transmitted(client: &mut MqttClient) -> BytesMut {
        let mut out = BytesMut::new();
        client.poll_transmit(&mut out, at(0));
        out
    }

    #[test]
    fn a_refused_client_sends_nothing_more() {
        let mut client = client(1);
        let refused = ClientEvent::Refused(ConnackCode::NotAuthorized);
        assert_eq!(receive(&mut client, &hex!("20 02 00 05")), Ok(refused));
        assert_eq!(client.publish("a", b"", Qos::AtMostOnce, 0), Err(SendError::NotConnected));
        assert_eq!(client.poll_timeout(), None);
    }

    #[test]
    fn acknowledgements_bring_their_tag_and_free_the_window() {
        let mut client = connected(2);
        client.publish("a", b"", Qos::AtLeastOnce, 70).unwrap();
        client.publish("a", b"", Qos::AtLeastOnce, 71).unwrap();
        assert_eq!(client.publish("a", b"", Qos::AtLeastOnce, 72), Err(SendError::WindowFull));
        assert_eq!(transmitted(&mut client)[..], hex!("32 05 0001 61 0001  32 05 0001 61 0002"));
        let acknowledged = |tag, in_order| Ok(ClientEvent::Acknowledged { tag, in_order });
        assert_eq!(receive(&mut client, &hex!("40 02 0002")), acknowledged(71, false));
        assert_eq!(receive(&mut client, &hex!("40 02 0001")), acknowledged(70, true));
        let again = receive(&mut client, &hex!("40 02 0001"));
        assert!(matches!(again, Err(ClientError::UnknownPuback(_))), "{again:?}");
    }

    #[test]
    fn never_reuses_the_id_of_a_publish_in_flight() {
        let mut client = connected(usize::MAX);
        client.publish("a", b"", Qos::AtLeastOnce, 0).unwrap();
        for _ in 1..u16::MAX {
            client.subscribe(&[("a", Qos::AtMostOnce)]).unwrap();
        }
        let full = client.subscribe(&[("a", Qos::AtMostOnce)]);
        assert_eq!(full, Err(SendError::WindowFull));
        receive(&mut client, &hex!("40 02 0001")).unwrap();
        assert!(client.subscribe(&[("a", Qos::AtMostOnce)]).is_ok());
    }

    #[test]
    fn acknowledges_what_it_receives() {
        let mut client = connected(1);
        let message = receive(&mut client, &hex!("32 06 0001 61 0007 78"));
        assert!(matches!(message, Ok(ClientEvent::Message(publish)) if publish.payload == b"x"));
        assert_eq!(transmitted(&mut client)[..], hex!("40 02 0007"));
        let exactly_once = receive(&mut client, &hex!("34 06 0001 61 0007 78"));
        assert_eq!(exactly_once, Err(ClientError::PublishQos));
    }

    #[test]
    fn pings_when_it_has_sent_nothing_and_expects_an_answer() {
        let mut client = connected(1);
        assert_eq!(client.poll_timeout(), Some(at(60)));
        assert_eq!(client.handle_timeout(at(60)), Ok(()));
        assert_eq!(transmitted(&mut client)[..], hex!("c0 00"));
        assert_eq!(client.poll_timeout(), Some(at(90)));
        assert_eq!(client.handle_timeout(at(90)), Err(ClientError::Silent));
        assert_eq!(receive(&mut client, &hex!("d0 00")), Ok(ClientEvent::Pong));
        assert_eq!(client.poll_timeout(), Some(at(60)));
    }

    #[test]
    fn rejects_a_server_that_breaks_the_rules() {
        let cases: [(&[u8], ClientError); 2] = [
            (&hex!("20 02 00 00"), ClientError::Connack),
            (&hex!("c0 00"), ClientError::ClientPacket),
        ];
        for (bytes, error) in cases {
            assert_eq!(receive(&mut connected(1), bytes), Err(error));
        }
        assert_eq!(receive(&mut client(1), &hex!("d0 00")), Err(ClientError::Connack));
    }

    #[test]
    fn says_goodbye_once() {
        let mut client = connected(1);
        client.disconnect();
        client.disconnect();
        assert_eq!(transmitted(&mut client)[..], hex!("e0 00"));
    }
}
