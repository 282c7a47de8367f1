//! TLS 1.3 records of a connection whose handshake is over, on the bare secrets.
//!
//! A session of the TLS library keeps what a client of a hub needs: certificates, tickets, the
//! schedule of keys. A generator needs two keys: 120 bytes instead of thousands. What it gives up
//! for that is a change of keys: a server that asks for one is told goodbye. A ticket is taken
//! where one is wanted.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::{AlertDescription, ConnectionTrafficSecrets, Error, ExtractedSecrets};

use crate::tls::TlsProgress;

/// Type, version and length before each record.
const HEADER_BYTES: usize = 5;
/// Longest plaintext of a record (RFC 8446 section 5.1).
const PLAINTEXT_BYTES_MAX: usize = 1 << 14;
/// Longest rest of a record: plaintext, type, padding and tag (section 5.2).
const CIPHERTEXT_BYTES_MAX: usize = PLAINTEXT_BYTES_MAX + 256;
/// What authenticates a record; the same for all suites of TLS 1.3.
const TAG_BYTES: usize = 16;
const KEY_BYTES_MAX: usize = 32;
const NONCE_BYTES: usize = 12;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// The handshake message after the handshake that may be passed over (section 4.6.1).
const NEW_SESSION_TICKET: u8 = 4;
/// Level and description of the alert that ends a connection in order (section 6.1).
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

/// One direction.
struct Half {
    key: [u8; KEY_BYTES_MAX],
    iv: [u8; NONCE_BYTES],
    sequence: u64,
}

/// Both directions.
pub(crate) struct Records {
    algorithm: &'static Algorithm,
    sealing: Half,
    opening: Half,
    /// Waits for a ticket; gone when it has one, or wants none.
    resumption: Option<Box<KernelConnection<ClientConnectionData>>>,
}

impl Records {
    /// Goes on where the handshake has ended. `resumption` is what takes a ticket.
    pub(crate) fn new(
        secrets: ExtractedSecrets,
        resumption: Option<KernelConnection<ClientConnectionData>>,
    ) -> Result<Self, Error> {
        let (algorithm, sealing) = Half::new(secrets.tx)?;
        let (_, opening) = Half::new(secrets.rx)?;
        Ok(Self { algorithm, sealing, opening, resumption: resumption.map(Box::new) })
    }

    /// Decrypts `received` in place and appends what was said to `plaintext`; the number is how
    /// many bytes were used, the rest is the beginning of a record.
    pub(crate) fn read(
        &mut self,
        received: &mut [u8],
        plaintext: &mut Vec<u8>,
    ) -> Result<(TlsProgress, usize), Error> {
        let mut used = 0;
        while let Some(length) = record_length(&received[used..])? {
            let record = &mut received[used..used + length];
            used += length;
            if record[0] == CHANGE_CIPHER_SPEC {
                continue;
            }
            let (kind, content) = open(&mut self.opening, self.algorithm, record)?;
            match (kind, content) {
                (APPLICATION_DATA, content) => plaintext.extend_from_slice(content),
                (HANDSHAKE, [NEW_SESSION_TICKET, a, b, c, rest @ ..]) => {
                    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                    let ticket = rest.get(..length).ok_or(Error::DecryptError)?;
                    if let Some(mut resumption) = self.resumption.take() {
                        resumption.handle_new_session_ticket(ticket)?;
                    }
                }
                (ALERT, [_, 0]) => return Ok((TlsProgress::PeerClosed, used)),
                (ALERT, [_, description]) => {
                    let alert = AlertDescription::from(*description);
                    return Err(Error::AlertReceived(alert));
                }
                _ => return Err(Error::General("a message that is not understood".to_owned())),
            }
        }
        Ok((TlsProgress::Established, used))
    }

    /// Appends `plaintext` to `out` as records.
    pub(crate) fn write(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut pieces = plaintext.chunks(PLAINTEXT_BYTES_MAX);
        pieces.try_for_each(|piece| self.seal(APPLICATION_DATA, piece, out))
    }

    /// Appends the alert that says that no more will come.
    pub(crate) fn write_close_notify(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.seal(ALERT, &CLOSE_NOTIFY, out)
    }

    fn seal(&mut self, kind: u8, content: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let length = content.len() + 1 + TAG_BYTES;
        let [high, low] = u16::try_from(length).map_err(|_| Error::EncryptError)?.to_be_bytes();
        let header = [APPLICATION_DATA, 3, 3, high, low];
        out.extend_from_slice(&header);
        let start = out.len();
        out.extend_from_slice(content);
        out.push(kind);
        let key = self.sealing.key(self.algorithm)?;
        let nonce = self.sealing.next_nonce();
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(header), &mut out[start..]);
        out.extend_from_slice(tag.map_err(|_| Error::EncryptError)?.as_ref());
        Ok(())
    }
}

impl Half {
    fn new(
        (sequence, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<(&'static Algorithm, Self), Error> {
        let (algorithm, secret, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Error::General("a cipher suite that is not known".to_owned())),
        };
        let mut key = [0; KEY_BYTES_MAX];
        key[..algorithm.key_len()].copy_from_slice(secret.as_ref());
        let iv = iv.as_ref().try_into().map_err(|_| Error::EncryptError)?;
        Ok((algorithm, Self { key, iv, sequence }))
    }

    /// The key as the library computes with it. Made for each record, because it is larger than all
    /// else that an idle connection holds.
    fn key(&self, algorithm: &'static Algorithm) -> Result<LessSafeKey, Error> {
        let key = UnboundKey::new(algorithm, &self.key[..algorithm.key_len()]);
        key.map(LessSafeKey::new).map_err(|_| Error::EncryptError)
    }

    /// The nonce of the next record (section 5.3).
    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        let last = &mut nonce[NONCE_BYTES - 8..];
        last.iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(byte, own)| *byte ^= own);
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Type and content of a record (section 5.2).
fn open<'r>(
    half: &mut Half,
    algorithm: &'static Algorithm,
    record: &'r mut [u8],
) -> Result<(u8, &'r [u8]), Error> {
    let (header, sealed) = record.split_at_mut(HEADER_BYTES);
    let opened = half.key(algorithm)?.open_in_place(half.next_nonce(), Aad::from(header), sealed);
    let opened = opened.map_err(|_| Error::DecryptError)?;
    let kind = opened.iter().rposition(|byte| *byte != 0).ok_or(Error::DecryptError)?;
    Ok((opened[kind], &opened[..kind]))
}

/// Bytes of the record that `received` begins with; `None` until it is whole.
fn record_length(received: &[u8]) -> Result<Option<usize>, Error> {
    let Some(&[_, _, _, high, low]) = received.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > CIPHERTEXT_BYTES_MAX {
        return Err(Error::DecryptError);
    }
    let whole = HEADER_BYTES + length;
    Ok((whole <= received.len()).then_some(whole))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::Arc;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use ringhub_edge::tls::{TicketCount, TlsIdentity, server_config};
    use rustls::ServerConnection;
    use rustls::pki_types::{PrivateKeyDer, ServerName};

    use super::*;
    use crate::tls::TlsClient;
    use crate::trust::config_of;

    /// Both ends of a connection whose handshake is over; the client's last flight has come, and
    /// what the server has to say since has not been read.
    fn pair() -> (Records, ServerConnection) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["h".to_owned()]).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let identity = TlsIdentity { chain: vec![cert.der().clone()], key };
        let config = server_config(identity, TicketCount::One).unwrap();
        let mut server = ServerConnection::new(config).unwrap();
        let name = ServerName::try_from("h").unwrap();
        let mut client =
            TlsClient::new(Arc::new(config_of(roots, None).unwrap()), name, false).unwrap();
        let (mut received, mut plaintext) = (Vec::new(), Vec::new());
        loop {
            let mut out = Vec::new();
            let (progress, used) = client.process(&mut received, &mut out, &mut plaintext).unwrap();
            received.drain(..used);
            server.read_tls(&mut &out[..]).unwrap();
            server.process_new_packets().unwrap();
            if progress == TlsProgress::Established {
                return (client.into_records().unwrap(), server);
            }
            server.write_tls(&mut received).unwrap();
        }
    }

    fn said_by(server: &mut ServerConnection) -> Vec<u8> {
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn a_server_reads_what_is_written() {
        let (mut client, mut server) = pair();
        let text: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
        let mut out = Vec::new();
        client.write(&text, &mut out).unwrap();
        client.write_close_notify(&mut out).unwrap();
        let (mut read, mut out) = (Vec::new(), &out[..]);
        while !out.is_empty() {
            server.read_tls(&mut out).unwrap();
            server.process_new_packets().unwrap();
            let mut piece = [0; 65_536];
            while let Ok(size) = server.reader().read(&mut piece) {
                if size == 0 {
                    break;
                }
                read.extend_from_slice(&piece[..size]);
            }
        }
        assert!(read == text, "{} bytes", read.len());
    }

    #[test]
    fn tickets_are_passed_over_and_data_comes_in_any_pieces() {
        let (mut client, mut server) = pair();
        server.writer().write_all(b"one").unwrap();
        server.writer().write_all(b" and two").unwrap();
        server.send_close_notify();
        let bytes = said_by(&mut server);
        let (mut received, mut plaintext, mut last) = (Vec::new(), Vec::new(), None);
        for byte in bytes {
            received.push(byte);
            let (progress, used) = client.read(&mut received, &mut plaintext).unwrap();
            received.drain(..used);
            last = Some(progress);
        }
        assert_eq!((plaintext, last), (b"one and two".to_vec(), Some(TlsProgress::PeerClosed)));
    }

    #[test]
    fn what_was_tampered_with_is_refused() {
        let (mut client, mut server) = pair();
        server.writer().write_all(b"one").unwrap();
        let mut bytes = said_by(&mut server);
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(client.read(&mut bytes, &mut Vec::new()), Err(Error::DecryptError));
    }

    #[test]
    fn a_change_of_keys_is_refused_by_name() {
        let (mut client, mut server) = pair();
        server.refresh_traffic_keys().unwrap();
        let result = client.read(&mut said_by(&mut server), &mut Vec::new());
        assert!(matches!(result, Err(Error::General(_))), "{result:?}");
    }

    #[test]
    fn a_length_that_no_record_has_is_refused() {
        let (mut client, _) = pair();
        let mut claim = [APPLICATION_DATA, 3, 3, 0xff, 0xff];
        assert_eq!(client.read(&mut claim, &mut Vec::new()), Err(Error::DecryptError));
    }
}
