//! CONNECT (MQTT 3.1.1 section 3.1).
//!
//! ```text
//! name "MQTT" | level 4 | flags | keep alive u16 | client id | [will topic | will payload] | [user] | [password]
//! flags: 7 user name | 6 password | 5 will retain | 4..3 will QoS | 2 will | 1 clean session | 0 reserved
//! ```

use bytes::{BufMut, BytesMut};

use super::Qos;
use super::error::{DecodeError, EncodeError};
use super::field::{Fields, put_sized, sized};
use super::fixed_header;
use super::packet_type::PacketType;

/// Protocol level of MQTT 3.1.1.
pub const PROTOCOL_LEVEL: u8 = 4;

const CLEAN_SESSION: u8 = 1 << 1;
const WILL: u8 = 1 << 2;
const WILL_RETAIN: u8 = 1 << 5;
const PASSWORD: u8 = 1 << 6;
const USER_NAME: u8 = 1 << 7;

/// A client's request for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Discard what the server kept of an earlier session.
    pub clean_session: bool,
    /// Longest silence of the client in seconds, 0 for no limit.
    pub keep_alive: u16,
    /// Name of the client, may be empty.
    pub client_id: &'a str,
    /// Message to publish when the client vanishes.
    pub will: Option<ConnectWill<'a>>,
    /// User name.
    pub user_name: Option<&'a str>,
    /// Password, any bytes.
    pub password: Option<&'a [u8]>,
}

/// Will of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectWill<'a> {
    /// Topic to publish to.
    pub topic: &'a str,
    /// Payload to publish.
    pub payload: &'a [u8],
    /// Quality of service to publish with.
    pub qos: Qos,
    /// RETAIN of the publication.
    pub retain: bool,
}

/// A CONNECT as far as it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyConnect<'a> {
    /// MQTT 3.1.1.
    V4(Connect<'a>),
    /// Another protocol level, whose layout is unknown from there on; the answer is CONNACK 1
    /// [MQTT-3.1.2-2].
    Other {
        /// The level that the client asked for.
        level: u8,
    },
}

impl<'a> AnyConnect<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(body);
        let name = fields.text()?;
        let level = fields.u8()?;
        match (name, level) {
            ("MQTT", PROTOCOL_LEVEL) => Connect::decode_after_level(fields).map(Self::V4),
            ("MQTT" | "MQIsdp", _) => Ok(Self::Other { level }),
            _ => Err(DecodeError::ProtocolName),
        }
    }
}

impl<'a> Connect<'a> {
    fn decode_after_level(mut fields: Fields<'a>) -> Result<Self, DecodeError> {
        let flags = fields.u8()?;
        check_flags(flags)?;
        let keep_alive = fields.u16()?;
        let client_id = fields.text()?;
        let will = if flags & WILL == 0 { None } else { Some(decode_will(flags, &mut fields)?) };
        let user_name = if flags & USER_NAME == 0 { None } else { Some(fields.text()?) };
        let password = if flags & PASSWORD == 0 { None } else { Some(fields.binary()?) };
        fields.end()?;
        let clean_session = flags & CLEAN_SESSION != 0;
        Ok(Self { clean_session, keep_alive, client_id, will, user_name, password })
    }

    /// Writes the packet. A password without a user name is left out, as it must be
    /// [MQTT-3.1.2-22].
    ///
    /// # Errors
    /// [`EncodeError`] when a field does not fit; `out` is unchanged then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let password = self.user_name.and(self.password);
        let mut remaining = 10 + sized(self.client_id.as_bytes())?;
        if let Some(will) = &self.will {
            remaining += sized(will.topic.as_bytes())? + sized(will.payload)?;
        }
        for field in [self.user_name.map(str::as_bytes), password].into_iter().flatten() {
            remaining += sized(field)?;
        }
        fixed_header::encode(PacketType::Connect, 0, remaining, out)?;
        put_sized(b"MQTT", out)?;
        out.put_u8(PROTOCOL_LEVEL);
        out.put_u8(self.flags());
        out.put_u16(self.keep_alive);
        put_sized(self.client_id.as_bytes(), out)?;
        if let Some(will) = &self.will {
            put_sized(will.topic.as_bytes(), out)?;
            put_sized(will.payload, out)?;
        }
        for field in [self.user_name.map(str::as_bytes), password].into_iter().flatten() {
            put_sized(field, out)?;
        }
        Ok(())
    }

    fn flags(&self) -> u8 {
        let set = |bit: u8, on: bool| if on { bit } else { 0 };
        let will = self
            .will
            .map_or(0, |will| WILL | (will.qos as u8) << 3 | set(WILL_RETAIN, will.retain));
        set(CLEAN_SESSION, self.clean_session)
            | will
            | set(USER_NAME, self.user_name.is_some())
            | set(PASSWORD, self.user_name.and(self.password).is_some())
    }
}

fn check_flags(flags: u8) -> Result<(), DecodeError> {
    if flags & 1 != 0 {
        return Err(DecodeError::ConnectReservedFlag); // [MQTT-3.1.2-3]
    }
    let will_details = flags & (WILL_RETAIN | 0b0001_1000);
    // [MQTT-3.1.2-13], [MQTT-3.1.2-14], [MQTT-3.1.2-15]
    if (flags & WILL == 0 && will_details != 0) || will_details & 0b0001_1000 == 0b0001_1000 {
        return Err(DecodeError::WillFlags);
    }
    // [MQTT-3.1.2-22]
    if flags & PASSWORD != 0 && flags & USER_NAME == 0 {
        return Err(DecodeError::PasswordWithoutUserName);
    }
    Ok(())
}

fn decode_will<'a>(flags: u8, fields: &mut Fields<'a>) -> Result<ConnectWill<'a>, DecodeError> {
    let topic = fields.text()?;
    if topic.is_empty() {
        return Err(DecodeError::EmptyTopic);
    }
    let payload = fields.binary()?;
    let qos = Qos::from_bits(flags >> 3 & 0b11)?;
    Ok(ConnectWill { topic, payload, qos, retain: flags & WILL_RETAIN != 0 })
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::super::tests::{decodes_and_encodes, rejects};
    use super::super::{Packet, decode};
    use super::*;

    const PLAIN: Connect<'_> = Connect {
        clean_session: false,
        keep_alive: 60,
        client_id: "d",
        will: None,
        user_name: Some("u"),
        password: Some(b"p"),
    };

    #[test]
    fn reads_and_writes_every_combination_of_optional_fields() {
        let will = ConnectWill { topic: "t", payload: b"w", qos: Qos::AtLeastOnce, retain: true };
        let cases: [(Connect<'_>, &[u8]); 4] = [
            (PLAIN, &hex!("10 13 0004 4d515454 04 c0 003c 0001 64 0001 75 0001 70")),
            (
                Connect { password: None, ..PLAIN },
                &hex!("10 10 0004 4d515454 04 80 003c 0001 64 0001 75"),
            ),
            (
                Connect { clean_session: true, user_name: None, password: None, ..PLAIN },
                &hex!("10 0d 0004 4d515454 04 02 003c 0001 64"),
            ),
            (
                Connect { will: Some(will), ..PLAIN },
                &hex!("10 19 0004 4d515454 04 ec 003c 0001 64 0001 74 0001 77 0001 75 0001 70"),
            ),
        ];
        for (connect, bytes) in cases {
            decodes_and_encodes(bytes, Packet::Connect(AnyConnect::V4(connect)));
        }
    }

    #[test]
    fn leaves_out_a_password_without_a_user_name() {
        let mut out = BytesMut::new();
        Connect { user_name: None, ..PLAIN }.encode(&mut out).unwrap();
        assert_eq!(out[..], hex!("10 0d 0004 4d515454 04 00 003c 0001 64"));
    }

    #[test]
    fn recognises_other_protocol_levels() {
        let cases: [(&[u8], u8); 3] = [
            (&hex!("10 0f 0006 4d5149736470 03 02 003c 0001 64"), 3),
            // MQTT 5 has a property length after the keep alive.
            (&hex!("10 0e 0004 4d515454 05 02 003c 00 0001 64"), 5),
            (&hex!("10 0d 0004 4d515454 84 02 003c 0001 64"), 0x84),
        ];
        for (bytes, level) in cases {
            let packet = Packet::Connect(AnyConnect::Other { level });
            assert_eq!(decode(bytes), Ok(Some((packet, bytes.len()))));
        }
    }

    #[test]
    fn rejects_what_the_specification_forbids() {
        let cases: [(&[u8], DecodeError); 10] = [
            (&hex!("10 0d 0004 4d515458 04 02 003c 0001 64"), DecodeError::ProtocolName),
            (&hex!("10 0d 0004 4d515454 04 03 003c 0001 64"), DecodeError::ConnectReservedFlag),
            (&hex!("10 0d 0004 4d515454 04 0a 003c 0001 64"), DecodeError::WillFlags),
            (&hex!("10 0d 0004 4d515454 04 22 003c 0001 64"), DecodeError::WillFlags),
            (
                &hex!("10 13 0004 4d515454 04 1c 003c 0001 64 0001 74 0001 77"),
                DecodeError::WillFlags,
            ),
            (&hex!("10 12 0004 4d515454 04 04 003c 0001 64 0000 0001 77"), DecodeError::EmptyTopic),
            (
                &hex!("10 10 0004 4d515454 04 40 003c 0001 64 0001 70"),
                DecodeError::PasswordWithoutUserName,
            ),
            (&hex!("10 0e 0004 4d515454 04 02 003c 0001 64 00"), DecodeError::TrailingBytes),
            (&hex!("10 0c 0004 4d515454 04 02 003c 0001"), DecodeError::Truncated),
            (&hex!("10 0d 0004 4d515454 04 02 003c 0001 00"), DecodeError::Nul),
        ];
        for (bytes, error) in cases {
            rejects(bytes, error);
        }
    }
}
