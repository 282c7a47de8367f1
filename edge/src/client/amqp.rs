//! A back end over AMQP: core's machine in its client role on a blocking connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use ringhub_core::codec::amqp::performative::{AmqpError, DeliveryState};
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, ClientSasl, DeliveryId, LinkId, Outgoing, SendBlocked,
    SessionError, SessionId,
};
use ringhub_core::time::Timestamp;

use super::connection_string::Principal;
use super::refusal::Refusal;
use super::start::source;
use super::target::Target;
use super::token::sasl_user;
use super::wire::{PATIENCE, Wire};
use super::{ClientError, Result};

/// What the hub did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmqpFact {
    /// Our link stands.
    Attached(LinkId),
    /// A message came.
    Message {
        /// Names it for [`AmqpClient::accept`].
        delivery: DeliveryId,
        /// Whether the hub expects no outcome.
        settled: bool,
        /// Its sections.
        payload: Vec<u8>,
    },
    /// A message may be sent on the link.
    Credit(LinkId),
    /// The hub has come to an outcome on what was sent.
    Settled {
        /// What [`AmqpClient::send`] gave.
        delivery: DeliveryId,
        /// Why it was not accepted, if so.
        refusal: Option<Refusal>,
    },
}

/// What a step of the machine means for the driver.
enum Step {
    Opened,
    Begun(SessionId),
    Fact(AmqpFact),
    Over(ClientError),
    Nothing,
}

/// A connection with one session, logged in with the token of a policy.
pub struct AmqpClient {
    machine: AmqpConnection,
    wire: Wire,
    session: Option<SessionId>,
    output: BytesMut,
    principal: String,
}

impl AmqpClient {
    /// Connects, logs in and begins a session.
    ///
    /// # Errors
    /// [`ClientError`] when the hub cannot be reached or refuses.
    ///
    /// Source: service-endpoints reference, "SASL layer".
    pub fn connect(target: &Target) -> Result<Self> {
        let Principal::Policy(policy) = &target.credential.principal else {
            let text = "a device cannot use the endpoints of back ends: give the connection string of a policy with ServiceConnect";
            return Err(ClientError::WrongPrincipal(text.to_owned()));
        };
        let token = target.credential.token(&target.host_name);
        let user = sasl_user(policy, &target.host_name);
        let sasl = ClientSasl::Plain { user: &user, password: &token };
        let config = AmqpConfig {
            container_id: "ringhub-cli".into(),
            hostname: Some(target.host_name.as_str().into()),
            ..AmqpConfig::default()
        };
        let machine = AmqpConnection::client(Arc::new(config), sasl, Timestamp::ZERO);
        let wire = Wire::connect(target, &target.amqp, "AMQP")?;
        let principal = format!("policy {policy}");
        let mut client = Self { machine, wire, session: None, output: BytesMut::new(), principal };
        client.begin()?;
        Ok(client)
    }

    fn begin(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.session.is_none() {
            match self.step()? {
                Some(Step::Opened) => drop(self.machine.begin_session()),
                Some(Step::Begun(session)) => self.session = Some(session),
                Some(Step::Over(error)) => return Err(error),
                Some(Step::Fact(_) | Step::Nothing) => {}
                None if Instant::now() < until => drop(self.wait(PATIENCE)?),
                None => return Err(ClientError::Silent(PATIENCE.as_secs())),
            }
        }
        Ok(())
    }

    /// Attaches a link to receive on, from where `selector` says; [`AmqpFact::Attached`] follows,
    /// then give credit.
    ///
    /// # Errors
    /// [`ClientError::Ended`] when the session takes no more links.
    pub fn attach_receiver(&mut self, address: &str, selector: Option<&str>) -> Result<LinkId> {
        let mut pairs = BytesMut::new();
        let source = source(address, selector, &mut pairs);
        let session = self.session.ok_or(ClientError::Ended("AMQP"))?;
        let link = self.machine.attach_receiver(session, address, source);
        link.ok_or(ClientError::Ended("AMQP"))
    }

    /// Attaches a link to send on; [`AmqpFact::Attached`] and [`AmqpFact::Credit`] follow.
    ///
    /// # Errors
    /// As for [`attach_receiver`](Self::attach_receiver).
    pub fn attach_sender(&mut self, address: &str) -> Result<LinkId> {
        let session = self.session.ok_or(ClientError::Ended("AMQP"))?;
        let link = self.machine.attach_sender(session, address, address);
        link.ok_or(ClientError::Ended("AMQP"))
    }

    /// Lets the hub make `more` deliveries on a link.
    pub fn grant_credit(&mut self, link: LinkId, more: u32) {
        self.machine.grant_credit(link, more);
    }

    /// Settles a delivery as taken.
    pub fn accept(&mut self, delivery: DeliveryId) {
        self.machine.settle(delivery, DeliveryState::Accepted);
    }

    /// Sends a message of encoded sections; [`AmqpFact::Settled`] follows.
    ///
    /// # Errors
    /// [`SendBlocked`]: nothing was sent.
    pub fn send(
        &mut self,
        link: LinkId,
        sections: &[u8],
    ) -> std::result::Result<DeliveryId, SendBlocked> {
        self.machine.send(link, &[sections], Outgoing::default())
    }

    /// Sends what the machine has and waits for the next fact, for `wait` at most.
    ///
    /// # Errors
    /// [`ClientError`] when a link or the connection is over, with what the hub gave as reason.
    pub fn next(&mut self, wait: Duration) -> Result<Option<AmqpFact>> {
        let until = Instant::now() + wait;
        loop {
            match self.step()? {
                Some(Step::Fact(fact)) => {
                    self.flush()?;
                    return Ok(Some(fact));
                }
                Some(Step::Over(error)) => return Err(error),
                Some(_) => {}
                None => {
                    let left = until.saturating_duration_since(Instant::now());
                    if !self.wait(left)? && left.is_zero() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Waits for a fact that `wanted` knows, and drops the others.
    ///
    /// # Errors
    /// As for [`next`](Self::next), and [`ClientError::Silent`] after ten seconds.
    pub fn wait_for<T>(&mut self, wanted: impl Fn(&AmqpFact) -> Option<T>) -> Result<T> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let fact = self.next(left)?.ok_or(ClientError::Silent(PATIENCE.as_secs()))?;
            if let Some(found) = wanted(&fact) {
                return Ok(found);
            }
        }
    }

    /// Closes the connection in order.
    ///
    /// # Errors
    /// [`ClientError`] when it is broken.
    pub fn close(mut self) -> Result<()> {
        self.machine.close(None);
        self.flush()
    }

    /// One frame of the input; `None` when more bytes are needed.
    fn step(&mut self) -> Result<Option<Step>> {
        let now = self.now();
        let (used, event) = match self.machine.handle_bytes(&self.wire.input, now) {
            Ok(step) => step,
            Err(error) => return Err(self.machine_error(&error)),
        };
        let progress = used > 0 || event.is_some();
        let step = event.map_or(Step::Nothing, step_of);
        self.wire.input.advance(used);
        self.flush()?;
        Ok(progress.then_some(step))
    }

    fn machine_error(&self, error: &SessionError) -> ClientError {
        match error {
            SessionError::Authentication => {
                ClientError::LoginRefused { principal: self.principal.clone() }
            }
            SessionError::IdleTimeout | SessionError::HandshakeTimeout => {
                ClientError::Ended("AMQP")
            }
            error => ClientError::Protocol(error.to_string()),
        }
    }

    /// Waits for bytes, and lets the machine see the clock.
    fn wait(&mut self, wait: Duration) -> Result<bool> {
        let deadline = self.machine.poll_timeout();
        let until_deadline = deadline.map_or(Duration::MAX, |deadline| deadline.since(self.now()));
        let came = self.wire.fill(wait.min(until_deadline))?;
        let timeout = self.machine.handle_timeout(self.now());
        timeout.map_err(|error| self.machine_error(&error))?;
        self.flush()?;
        Ok(came)
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.wire.elapsed()
    }

    fn flush(&mut self) -> Result<()> {
        self.output.clear();
        while self.machine.poll_transmit(&mut self.output) {}
        if self.output.is_empty() { Ok(()) } else { self.wire.send(&self.output) }
    }
}

fn step_of(event: AmqpEvent<'_>) -> Step {
    Step::Fact(match event {
        AmqpEvent::Opened { .. } => return Step::Opened,
        AmqpEvent::SessionBegun(session) => return Step::Begun(session),
        AmqpEvent::LinkDetached { error, .. } | AmqpEvent::Closed(error) => {
            return Step::Over(error.map_or(ClientError::Ended("AMQP"), |e| refusal(&e).into()));
        }
        AmqpEvent::LinkAttached { link, .. } => AmqpFact::Attached(link),
        AmqpEvent::Message { delivery, settled, payload, .. } => {
            AmqpFact::Message { delivery, settled, payload: payload.to_vec() }
        }
        AmqpEvent::Credit { link, .. } => AmqpFact::Credit(link),
        AmqpEvent::Settled { delivery, state, .. } => {
            AmqpFact::Settled { delivery, refusal: outcome(state) }
        }
        _ => return Step::Nothing,
    })
}

/// Why a delivery was not accepted; `None` when it was.
fn outcome(state: Option<DeliveryState<'_>>) -> Option<Refusal> {
    let refused = |message: &str| Refusal {
        status: STATUS_OF_CONDITIONS,
        code: String::new(),
        message: message.to_owned(),
    };
    match state {
        Some(DeliveryState::Accepted) => None,
        Some(DeliveryState::Rejected(Some(error))) => Some(refusal(&error)),
        Some(DeliveryState::Released | DeliveryState::Modified { .. }) => {
            Some(refused("the hub gave the message back; it may be taken later"))
        }
        _ => Some(refused("the hub rejected the message")),
    }
}

/// AMQP has no statuses; a condition counts as a bad request unless it says that nothing is there.
const STATUS_OF_CONDITIONS: u16 = 400;

fn refusal(error: &AmqpError<'_>) -> Refusal {
    let status = if error.condition == "amqp:not-found" { 404 } else { STATUS_OF_CONDITIONS };
    let message = error.description.unwrap_or("the hub refuses the link");
    Refusal {
        status,
        code: error.condition.to_owned(),
        message: message.trim_end_matches('.').to_owned(),
    }
}
