//! Verdicts on those who connect.

use ringhub_core::auth::{CertificateRefused, InvalidToken, Permissions, TokenRefused};
use ringhub_core::id::{HubId, Identity};
use ringhub_core::time::UnixMillis;

use super::{AuthScope, GenerationId, Proof};

/// Why a credential is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// No hub of this process.
    #[error("the hub is unknown")]
    UnknownHub,
    /// No such device.
    #[error("the device is unknown")]
    UnknownDevice,
    /// No such module on the device.
    #[error("the module is unknown")]
    UnknownModule,
    /// The device is disabled, and its modules with it.
    #[error("the device is disabled")]
    Disabled,
    /// The identity was deleted and created again since the credential was checked.
    #[error("the identity has been replaced")]
    Replaced,
    /// The identity has symmetric keys, and no token came.
    #[error("no token")]
    NoToken,
    /// The identity has a certificate, and neither that nor a token of a policy came.
    #[error("no certificate")]
    NoCertificate,
    /// The certificate does not prove the identity.
    #[error(transparent)]
    Certificate(#[from] CertificateRefused),
    /// The identity has no symmetric keys.
    #[error("the identity does not use symmetric keys")]
    NoKeys,
    /// The hub takes no keys of this kind.
    #[error("the hub takes no tokens that keys of this kind have signed")]
    KeysOff,
    /// Not a token.
    #[error(transparent)]
    Malformed(#[from] InvalidToken),
    /// Wrong signature, or expired.
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    /// The token is for another hub or resource.
    #[error("the token does not cover the resource")]
    Scope,
    /// The hub has no policy of that name.
    #[error("the policy is unknown")]
    UnknownPolicy,
    /// The policy lacks the right.
    #[error("the policy lacks the permission")]
    Permission,
    /// A back-end operation needs a policy, and the token names none.
    #[error("the token names no policy")]
    PolicyNeeded,
}

/// Who somebody is, with which rights and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A device or module, for itself.
    Identity(Grant),
    /// A back end under a policy.
    BackEnd(ServiceGrant),
}

/// A device or module that may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Hub of the identity.
    pub hub: HubId,
    /// Who it is.
    pub identity: Identity,
    /// Which of the identities that ever had this name.
    pub generation: GenerationId,
    /// Whose keys signed the token, or what kind of certificate it was.
    pub scope: AuthScope,
    /// What the registry must not lose for the connection to stay.
    pub proof: Proof,
    /// Which credentials the identity had when it was judged.
    pub edition: u8,
    /// When the token or the certificate expires; the connection may live
    /// [`SAS_CLOCK_SKEW`](ringhub_core::limits::SAS_CLOCK_SKEW) longer.
    pub expires: UnixMillis,
}

/// A back end that may use a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceGrant {
    /// Hub of the policy.
    pub hub: HubId,
    /// All that the policy allows.
    pub permissions: Permissions,
    /// When the token expires; see [`Grant::expires`].
    pub expires: UnixMillis,
}
