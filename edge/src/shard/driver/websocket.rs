//! Drives MQTT or AMQP inside the messages of a WebSocket.

use bytes::{Buf, BytesMut};
use ringhub_core::codec::websocket::{CloseCode, Role, WebSocket};
use ringhub_core::id::SeatId;
use ringhub_core::limits::WEBSOCKET_UNREAD_BYTES_MAX;
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::time::Timestamp;
use tracing::debug;

use crate::shard::mailbox::Mail;
use crate::shard::{Close, HubServices, Protocol, ShardContext};

type Context<'a> = ShardContext<'a, HubServices>;

/// One WebSocket connection around the driver of the protocol that it carries.
///
/// Each piece that the inner driver transmits becomes one binary message: for AMQP that is about
/// one frame, which is what clients cope with best.
///
/// Source: service-endpoints reference, "AMQP over WebSocket"; device-endpoints reference, "MQTT
/// over WebSocket".
#[derive(Debug)]
pub(super) struct WebSocketDriver<D> {
    socket: WebSocket,
    inner: D,
    /// Unmasked bytes that the inner driver has not taken.
    unread: BytesMut,
    /// The answer to the handshake, before any message.
    handshake: BytesMut,
    /// The inner driver has said its last word: a close frame follows it.
    is_ending: bool,
}

impl<D: Protocol<Services = HubServices>> WebSocketDriver<D> {
    pub(super) fn new(inner: D, handshake: BytesMut) -> Self {
        Self {
            socket: WebSocket::new(Role::Server),
            inner,
            unread: BytesMut::new(),
            handshake,
            is_ending: false,
        }
    }

    /// Gives the inner driver what it left, as far as it takes it now.
    fn feed(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        while !self.unread.is_empty() && self.inner.can_read(cx.services) {
            let consumed = self.inner.handle_bytes(&self.unread, cx)?;
            if consumed == 0 {
                break;
            }
            self.unread.advance(consumed);
        }
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
        Ok(())
    }
}

impl<D: Protocol<Services = HubServices>> Protocol for WebSocketDriver<D> {
    type Services = HubServices;

    fn handle_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let start = self.unread.len();
        self.unread.extend_from_slice(input);
        let data = match self.socket.handle_bytes(&mut self.unread[start..]) {
            Ok(data) => data,
            Err(error) => {
                let (hub, connection) = (cx.services.any_hub_name(), cx.connection);
                debug!(hub, %connection, reason = %error, "WebSocket closed");
                return Err(Close::Violation("WebSocket"));
            }
        };
        self.unread.truncate(start + data);
        self.feed(cx)?;
        if self.socket.is_closed() { Err(Close::PeerClosed) } else { Ok(input.len()) }
    }

    fn handle_committed(
        &mut self,
        seat: SeatId,
        upto: Committed<Ticket>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        self.inner.handle_committed(seat, upto, cx)?;
        self.feed(cx)
    }

    fn handle_mail(&mut self, mail: Mail, cx: &mut Context<'_>) -> Result<(), Close> {
        self.inner.handle_mail(mail, cx)?;
        self.feed(cx)
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        self.inner.handle_timeout(cx)?;
        self.feed(cx)
    }

    fn handle_log_failed(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        self.inner.handle_log_failed(cx)
    }

    fn handle_closed(&mut self, why: Close, cx: &mut Context<'_>) {
        self.inner.handle_closed(why, cx);
        self.is_ending = true;
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.inner.poll_timeout()
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        if !self.handshake.is_empty() {
            out.unsplit(std::mem::take(&mut self.handshake));
            return true;
        }
        if self.socket.poll_transmit(out) {
            return true;
        }
        let mut payload = BytesMut::new();
        if self.inner.poll_transmit(&mut payload) {
            self.socket.send(&payload, out);
            return true;
        }
        if std::mem::take(&mut self.is_ending) {
            self.socket.close(CloseCode::NORMAL);
            return self.socket.poll_transmit(out);
        }
        false
    }

    /// Input is also wanted while the inner driver has not taken what came before only because it
    /// was incomplete.
    fn can_read(&self, services: &HubServices) -> bool {
        self.inner.can_read(services) && self.unread.len() < WEBSOCKET_UNREAD_BYTES_MAX
    }
}
