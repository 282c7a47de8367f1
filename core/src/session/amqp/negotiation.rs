//! Protocol headers and SASL: everything before the open.

use super::config::ClientSasl;
use super::connection::{AmqpConnection, Phase, Result, Side};
use super::error::SessionError;
use super::signal::{AmqpEvent, SaslStep};
use crate::codec::amqp::ProtocolHeader;
use crate::codec::amqp::performative::{
    SaslCode, SaslFrame, write_init, write_mechanisms, write_outcome,
};

/// Mechanisms that the hub offers, in the order of the real service.
const MECHANISMS: [&str; 4] = ["EXTERNAL", "MSSBCBS", "ANONYMOUS", "PLAIN"];

impl AmqpConnection {
    pub(super) fn start_client(&mut self, sasl: ClientSasl<'_>) {
        let init: Option<(&'static str, Box<[u8]>)> = match sasl {
            ClientSasl::Skip => None,
            ClientSasl::Anonymous => Some(("ANONYMOUS", Box::default())),
            ClientSasl::External => Some(("EXTERNAL", Box::default())),
            ClientSasl::Plain { user, password } => {
                let response = [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat();
                Some(("PLAIN", response.into()))
            }
        };
        match init {
            None => self.start_amqp(),
            Some(_) => self.out.extend_from_slice(ProtocolHeader::Sasl.as_bytes()),
        }
        self.side = Side::Client { sasl: init };
    }

    /// A client need not wait for the header of the hub before it opens.
    fn start_amqp(&mut self) {
        self.out.extend_from_slice(ProtocolHeader::Amqp.as_bytes());
        self.send_open();
    }

    pub(super) fn on_header<'i>(
        &mut self,
        input: &'i [u8],
    ) -> Result<(usize, Option<AmqpEvent<'i>>)> {
        let header = match ProtocolHeader::decode(input) {
            Ok(None) => return Ok((0, None)),
            Ok(Some(header)) => header,
            Err(error) => return Err(self.refuse_header(error.into())),
        };
        self.phase = match (&self.side, header) {
            (Side::Hub { sasl_done: false }, ProtocolHeader::Sasl) => {
                self.out.extend_from_slice(header.as_bytes());
                write_mechanisms(&mut self.out, &MECHANISMS);
                Phase::ExpectInit
            }
            (Side::Hub { .. }, ProtocolHeader::Amqp) => {
                self.out.extend_from_slice(header.as_bytes());
                Phase::ExpectOpen
            }
            (Side::Client { sasl: Some(_) }, ProtocolHeader::Sasl) => Phase::ExpectMechanisms,
            (Side::Client { sasl: None }, ProtocolHeader::Amqp) => Phase::ExpectOpen,
            _ => return Err(self.refuse_header(SessionError::UnexpectedFrame)),
        };
        Ok((ProtocolHeader::LEN, None))
    }

    /// Tells the peer which protocol would have been right, as the specification demands.
    fn refuse_header(&mut self, error: SessionError) -> SessionError {
        if matches!(self.side, Side::Hub { .. }) {
            self.out.extend_from_slice(ProtocolHeader::Sasl.as_bytes());
        }
        error
    }

    pub(super) fn on_sasl<'i>(&mut self, body: &'i [u8]) -> Result<Option<AmqpEvent<'i>>> {
        let frame = SaslFrame::decode(body)?;
        match (self.phase, frame) {
            (Phase::ExpectInit, SaslFrame::Init { mechanism, response, hostname }) => {
                if !MECHANISMS.contains(&mechanism) {
                    write_outcome(&mut self.out, SaslCode::Auth);
                    return Err(SessionError::Authentication);
                }
                self.phase = Phase::AwaitVerdict;
                Ok(Some(AmqpEvent::Sasl(SaslStep { mechanism, response, hostname })))
            }
            (Phase::ExpectMechanisms, SaslFrame::Mechanisms(_)) => {
                self.choose_mechanism(&frame)?;
                Ok(None)
            }
            (Phase::ExpectOutcome, SaslFrame::Outcome(SaslCode::Ok)) => {
                self.side = Side::Client { sasl: None };
                self.phase = Phase::ExpectHeader;
                self.start_amqp();
                Ok(None)
            }
            (Phase::ExpectOutcome, SaslFrame::Outcome(_)) => Err(SessionError::Authentication),
            _ => Err(SessionError::UnexpectedFrame),
        }
    }

    fn choose_mechanism(&mut self, offered: &SaslFrame<'_>) -> Result<()> {
        let Side::Client { sasl: Some((mechanism, response)) } = &self.side else {
            return Err(SessionError::UnexpectedFrame);
        };
        if !offered.offers(mechanism) {
            return Err(SessionError::Authentication);
        }
        let response = (!response.is_empty()).then_some(&response[..]);
        write_init(&mut self.out, mechanism, response, self.config.hostname.as_deref());
        self.phase = Phase::ExpectOutcome;
        Ok(())
    }

    /// Answers the `Sasl` event. Anything but [`SaslCode::Ok`] ends the connection: flush, then
    /// drop the socket.
    pub fn sasl_outcome(&mut self, code: SaslCode) {
        if self.phase != Phase::AwaitVerdict {
            return;
        }
        write_outcome(&mut self.out, code);
        self.side = Side::Hub { sasl_done: true };
        self.phase = if code == SaslCode::Ok { Phase::ExpectHeader } else { Phase::Closed };
    }
}
