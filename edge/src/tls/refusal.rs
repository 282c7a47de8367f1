//! Why a handshake failed, in words for whoever looks after the clients.

use std::fmt;

use rustls::{Error, PeerIncompatible};

/// A handshake that the hub refused; the text tells what the client would have to offer.
#[derive(Debug)]
pub(crate) struct HandshakeRefusal<'a>(&'a Error);

impl<'a> HandshakeRefusal<'a> {
    /// `None` for an error that is not for what the client offered.
    pub(crate) fn of(error: &'a Error) -> Option<Self> {
        matches!(error, Error::PeerIncompatible(_)).then_some(Self(error))
    }
}

impl fmt::Display for HandshakeRefusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use PeerIncompatible::{
            NamedGroupsExtensionRequired, NoCipherSuitesInCommon, NoKxGroupsInCommon,
            NoSignatureSchemesInCommon, Tls12NotOffered, Tls12NotOfferedOrEnabled,
        };
        let Error::PeerIncompatible(lack) = self.0 else { return self.0.fmt(f) };
        f.write_str(match lack {
            NoCipherSuitesInCommon => {
                "no cipher suite in common: the client has to offer TLS 1.3, or ECDHE with AES-GCM \
                 or ChaCha20-Poly1305; the TLS library of the hub has no suite with CBC or static \
                 RSA"
            }
            NoKxGroupsInCommon | NamedGroupsExtensionRequired => {
                "no key exchange in common: the client has to offer ECDHE on X25519, P-256 or P-384; \
                 the TLS library of the hub has no static RSA"
            }
            NoSignatureSchemesInCommon => {
                "no signature algorithm in common: the client can verify no certificate of the host"
            }
            Tls12NotOffered | Tls12NotOfferedOrEnabled => {
                "the client offers neither TLS 1.2 nor TLS 1.3"
            }
            _ => return self.0.fmt(f),
        })
    }
}
