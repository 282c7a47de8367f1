//! Facts for the driver.

use core::ops::Deref;

use bytes::BytesMut;

use super::link::{DeliveryId, LinkId, SessionId};
use crate::codec::amqp::performative::{AmqpError, Attach, DeliveryState, DeliveryTag};

/// What a machine has to say; borrows from the input of the same call, never from the machine.
#[derive(Debug)]
pub enum AmqpEvent<'i> {
    /// A client chose a SASL mechanism (hub side).
    Sasl(SaslStep<'i>),
    /// The peer has opened the connection.
    Opened {
        /// Name of its container; not unique.
        container_id: &'i str,
        /// Host that the client means.
        hostname: Option<&'i str>,
    },
    /// The peer has answered our begin (client side).
    SessionBegun(SessionId),
    /// The peer asks for a link, to be answered by `accept_link` or `refuse_link`, now or later.
    /// Meanwhile the peer may give it up or attach again under its name: `LinkDetached` tells.
    LinkRequested {
        /// The link to answer for.
        link: LinkId,
        /// What the peer asked; boxed, because it is far larger than any other fact.
        attach: Box<Attach<'i>>,
    },
    /// The peer has accepted our link.
    LinkAttached {
        /// The link.
        link: LinkId,
        /// What the peer answered.
        attach: Box<Attach<'i>>,
    },
    /// A link is gone, by the peer or by a fault; answers have been written already.
    LinkDetached {
        /// The link; its number means nothing from here on.
        link: LinkId,
        /// What the peer gave as reason.
        error: Option<AmqpError<'i>>,
    },
    /// A whole message.
    Message {
        /// Names the delivery for `settle`.
        delivery: DeliveryId,
        /// The sender's name of the delivery.
        tag: DeliveryTag,
        /// Format number.
        format: u32,
        /// Whether the sender expects no outcome.
        settled: bool,
        /// The sections.
        payload: Payload<'i>,
    },
    /// The peer has taken a message back before its end. It has used credit, and nothing else comes
    /// of it.
    Aborted(LinkId),
    /// The receiver at the other end takes this many more deliveries from us.
    Credit {
        /// The link we send on.
        link: LinkId,
        /// Deliveries in all, not in addition.
        credit: u32,
        /// Whether to use the credit up now: send what is there, then `drain_done`.
        drain: bool,
    },
    /// The sender at the other end has used its credit up, as asked.
    Drained(LinkId),
    /// A session window is open again: sends that were blocked by it may be tried.
    WindowOpened,
    /// The receiver at the other end has come to an outcome.
    Settled {
        /// The delivery, as `send` returned it.
        delivery: DeliveryId,
        /// The outcome, if it gave one.
        state: Option<DeliveryState<'i>>,
        /// `false`: it waits for our `settle`.
        settled: bool,
    },
    /// The peer has closed the connection or answered our close; all links are gone.
    Closed(Option<AmqpError<'i>>),
}

/// What a client sent to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaslStep<'i> {
    /// Name of the mechanism, one of those on offer.
    pub mechanism: &'i str,
    /// Initial response, empty if absent.
    pub response: &'i [u8],
    /// Host that the client means.
    pub hostname: Option<&'i str>,
}

impl<'i> SaslStep<'i> {
    /// User and password of a PLAIN response; the authorisation identity before them is not looked
    /// at.
    #[must_use]
    pub fn plain(&self) -> Option<(&'i str, &'i str)> {
        let text = core::str::from_utf8(self.response).ok()?;
        let mut parts = text.splitn(3, '\0').skip(1);
        Some((parts.next()?, parts.next()?))
    }
}

/// The bytes of a message: in the input, or put together from several frames.
#[derive(Debug)]
pub enum Payload<'i> {
    /// All in one frame.
    Borrowed(&'i [u8]),
    /// From several frames.
    Assembled(BytesMut),
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Assembled(bytes) => bytes,
        }
    }
}
