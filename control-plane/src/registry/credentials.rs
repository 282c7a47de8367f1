//! The rules for credentials that a request brings.

use ringhub_core::auth::KeyPair;

use super::RegistryError;
use crate::credentials::{Credentials, Thumbprints};

/// How an identity proves itself, by the name that requests use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthenticationKind {
    Sas,
    SelfSigned,
    CertificateAuthority,
    None,
}

/// Credentials that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CredentialsDraft {
    /// Two new random keys.
    GenerateKeys,
    Given(Credentials),
}

/// The texts of a request; an empty text counts as absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AuthenticationText<'a> {
    pub(crate) kind: Option<AuthenticationKind>,
    pub(crate) primary_key: Option<&'a str>,
    pub(crate) secondary_key: Option<&'a str>,
    pub(crate) primary_thumbprint: Option<&'a str>,
    pub(crate) secondary_thumbprint: Option<&'a str>,
}

impl AuthenticationText<'_> {
    /// Checks the texts against each other.
    ///
    /// # Errors
    /// [`RegistryError::Argument`] or [`RegistryError::Key`].
    ///
    /// Source: control-plane reference, "Authentication object".
    pub(crate) fn resolve(self) -> Result<CredentialsDraft, RegistryError> {
        let some = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        let keys = some(self.primary_key) || some(self.secondary_key);
        let thumbprints = some(self.primary_thumbprint) || some(self.secondary_thumbprint);
        if keys && thumbprints {
            return Err(RegistryError::Argument("give keys or thumbprints, not both"));
        }
        let inferred =
            if thumbprints { AuthenticationKind::SelfSigned } else { AuthenticationKind::Sas };
        match self.kind.unwrap_or(inferred) {
            AuthenticationKind::Sas if thumbprints => {
                Err(RegistryError::Argument("type sas takes no thumbprints"))
            }
            AuthenticationKind::Sas => self.keys(),
            AuthenticationKind::SelfSigned if keys => {
                Err(RegistryError::Argument("type selfSigned takes no keys"))
            }
            AuthenticationKind::SelfSigned => self.thumbprints(),
            AuthenticationKind::CertificateAuthority => {
                Ok(CredentialsDraft::Given(Credentials::CertificateAuthority))
            }
            AuthenticationKind::None => Ok(CredentialsDraft::Given(Credentials::None)),
        }
    }

    fn keys(self) -> Result<CredentialsDraft, RegistryError> {
        let given = |text: Option<&'_ str>| text.unwrap_or_default().is_empty();
        match (given(self.primary_key), given(self.secondary_key)) {
            (true, true) => Ok(CredentialsDraft::GenerateKeys),
            (false, false) => {
                let primary = self.primary_key.unwrap_or_default();
                let pair = KeyPair::from_base64(primary, self.secondary_key.unwrap_or_default())?;
                Ok(CredentialsDraft::Given(Credentials::Keys(pair)))
            }
            _ => Err(RegistryError::Argument("give both keys or none")),
        }
    }

    fn thumbprints(self) -> Result<CredentialsDraft, RegistryError> {
        let primary = self.primary_thumbprint.filter(|text| !text.is_empty());
        let secondary = self.secondary_thumbprint.filter(|text| !text.is_empty());
        let primary =
            primary.ok_or(RegistryError::Argument("the primary thumbprint is missing"))?;
        if ![Some(primary), secondary].into_iter().flatten().all(is_thumbprint) {
            return Err(RegistryError::Argument("a thumbprint has 40 or 64 hexadecimal digits"));
        }
        if secondary.is_some_and(|text| text.len() != primary.len()) {
            return Err(RegistryError::Argument("both thumbprints are of the same kind"));
        }
        let pair = Thumbprints { primary: primary.into(), secondary: secondary.map(Into::into) };
        Ok(CredentialsDraft::Given(Credentials::Thumbprints(Box::new(pair))))
    }
}

fn is_thumbprint(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::AuthenticationKind::{CertificateAuthority, None as NoKind, Sas, SelfSigned};
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const SHA1: &str = "0123456789abcdefABCDEF000000000000000000";

    /// One request and the name of what becomes of it.
    fn verdict(text: AuthenticationText<'_>) -> &'static str {
        match text.resolve() {
            Ok(CredentialsDraft::GenerateKeys) => "generate",
            Ok(CredentialsDraft::Given(Credentials::Keys(_))) => "keys",
            Ok(CredentialsDraft::Given(Credentials::Thumbprints(_))) => "thumbprints",
            Ok(CredentialsDraft::Given(Credentials::CertificateAuthority)) => "authority",
            Ok(CredentialsDraft::Given(Credentials::None)) => "none",
            Err(_) => "refused",
        }
    }

    #[test]
    fn credentials_follow_the_table_of_the_reference() {
        let sha256 = "f".repeat(64);
        let sha256 = sha256.as_str();
        let (key, sha1, empty) = (Some(KEY), Some(SHA1), Some(""));
        for (
            kind,
            primary_key,
            secondary_key,
            primary_thumbprint,
            secondary_thumbprint,
            expected,
        ) in [
            (None, None, None, None, None, "generate"),
            (Some(Sas), empty, empty, empty, None, "generate"),
            (Some(Sas), key, key, None, None, "keys"),
            (None, key, key, None, None, "keys"),
            (Some(Sas), key, None, None, None, "refused"),
            (Some(Sas), empty, key, None, None, "refused"),
            (Some(Sas), Some("AAAA"), key, None, None, "refused"),
            (Some(Sas), key, Some("no base64"), None, None, "refused"),
            (Some(Sas), None, None, sha1, None, "refused"),
            (None, None, None, sha1, None, "thumbprints"),
            (Some(SelfSigned), empty, empty, sha1, sha1, "thumbprints"),
            (Some(SelfSigned), None, None, Some(sha256), None, "thumbprints"),
            (Some(SelfSigned), None, None, sha1, Some(sha256), "refused"),
            (Some(SelfSigned), None, None, None, sha1, "refused"),
            (Some(SelfSigned), None, None, Some("12:34"), None, "refused"),
            (Some(SelfSigned), key, key, None, None, "refused"),
            (None, key, key, sha1, None, "refused"),
            (Some(CertificateAuthority), None, None, None, None, "authority"),
            (Some(NoKind), None, None, None, None, "none"),
        ] {
            let text = AuthenticationText {
                kind,
                primary_key,
                secondary_key,
                primary_thumbprint,
                secondary_thumbprint,
            };
            assert_eq!(verdict(text), expected, "{text:?}");
        }
    }
}
