//! CONNACK (MQTT 3.1.1 section 3.2).

use bytes::{BufMut, BytesMut};

use super::error::DecodeError;
use super::field::Fields;

/// Verdict on a CONNECT (MQTT 3.1.1 section 3.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnackCode {
    /// The session stands.
    Accepted = 0,
    /// The protocol level is not offered.
    UnacceptableProtocolLevel = 1,
    /// The client id is not permitted.
    IdentifierRejected = 2,
    /// The hub cannot serve the client now; SDKs retry after this one only.
    ServerUnavailable = 3,
    /// User name or password are malformed.
    BadUserNameOrPassword = 4,
    /// The client may not connect: the code for every authentication failure.
    NotAuthorized = 5,
}

/// Answer to a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connack {
    /// Code 0.
    Accepted {
        /// The server had state of this client.
        session_present: bool,
    },
    /// Any other code; the session-present flag is 0 then [MQTT-3.2.2-4].
    Refused(ConnackCode),
}

impl Connack {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(body);
        let (flags, code) = (fields.u8()?, fields.u8()?);
        fields.end()?;
        let code = match (flags, code) {
            (0 | 1, 0) => return Ok(Self::Accepted { session_present: flags == 1 }),
            (0, 1) => ConnackCode::UnacceptableProtocolLevel,
            (0, 2) => ConnackCode::IdentifierRejected,
            (0, 3) => ConnackCode::ServerUnavailable,
            (0, 4) => ConnackCode::BadUserNameOrPassword,
            (0, 5) => ConnackCode::NotAuthorized,
            (0, code) => return Err(DecodeError::ReservedAnswer(code)),
            (flags, _) => return Err(DecodeError::ReservedAnswer(flags)),
        };
        Ok(Self::Refused(code))
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        let (flags, code) = match *self {
            Self::Accepted { session_present } => {
                (u8::from(session_present), ConnackCode::Accepted)
            }
            Self::Refused(code) => (0, code),
        };
        out.put_slice(&[0x20, 2, flags, code as u8]);
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::super::Packet;
    use super::super::tests::{decodes_and_encodes, rejects};
    use super::*;

    #[test]
    fn reads_and_writes_every_code() {
        let accepted = |session_present| Connack::Accepted { session_present };
        let cases: [(&[u8], Connack); 7] = [
            (&hex!("20 02 00 00"), accepted(false)),
            (&hex!("20 02 01 00"), accepted(true)),
            (&hex!("20 02 00 01"), Connack::Refused(ConnackCode::UnacceptableProtocolLevel)),
            (&hex!("20 02 00 02"), Connack::Refused(ConnackCode::IdentifierRejected)),
            (&hex!("20 02 00 03"), Connack::Refused(ConnackCode::ServerUnavailable)),
            (&hex!("20 02 00 04"), Connack::Refused(ConnackCode::BadUserNameOrPassword)),
            (&hex!("20 02 00 05"), Connack::Refused(ConnackCode::NotAuthorized)),
        ];
        for (bytes, connack) in cases {
            decodes_and_encodes(bytes, Packet::Connack(connack));
        }
    }

    #[test]
    fn rejects_reserved_flags_and_codes() {
        rejects(&hex!("20 02 02 00"), DecodeError::ReservedAnswer(2));
        rejects(&hex!("20 02 01 05"), DecodeError::ReservedAnswer(1));
        rejects(&hex!("20 02 00 06"), DecodeError::ReservedAnswer(6));
        rejects(&hex!("20 03 00 00 00"), DecodeError::TrailingBytes);
        rejects(&hex!("20 01 00"), DecodeError::Truncated);
    }
}
