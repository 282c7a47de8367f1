//! From tokens and passwords to claims.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use ringhub_control_plane::directory::{AuthFailure, Directory, Grant, Hub, IdentityRef, Policy};
use ringhub_core::auth::{InvalidScope, Permissions, SasToken, Scope, Segment};
use ringhub_core::codec::amqp::performative::Condition;
use ringhub_core::id::HubId;
use ringhub_core::session::amqp::PlainUser;
use ringhub_core::time::UnixMillis;

use super::Refusal;
use super::claims::Claim;

/// First segments of audiences on the hub itself.
const HUB_NODES: [&str; 6] =
    ["$cbs", "$management", "devicebound", "devices", "messages", "servicebound"];

/// Judges a token that was put for `audience`, which may have any scheme, a port and trailing
/// slashes.
///
/// # Errors
/// The [`Refusal`] to answer with.
///
/// Source: service-endpoints reference, "CBS".
pub(crate) fn claim_of_token(
    directory: &Directory,
    event_hub: &str,
    audience: &str,
    token: &str,
    now: UnixMillis,
) -> Result<Claim, Refusal> {
    if !token.starts_with("SharedAccessSignature ") {
        let text = "InvalidToken: Only shared access signatures are accepted.";
        return Err(Refusal::new(Condition::UnauthorizedAccess, text));
    }
    let Ok(scope) = Scope::decode(audience) else {
        let text = "InvalidAudience: The audience is not a resource.";
        return Err(Refusal::new(Condition::ArgumentError, text));
    };
    let known = |entity: &str| {
        let is = |name: &&str| name.eq_ignore_ascii_case(entity);
        HUB_NODES.iter().chain([&event_hub]).any(is)
    };
    let exists = scope.path().next().is_none_or(known);
    let Some(hub) = directory.hub_by_host(scope.host()).filter(|_| exists) else {
        let path: Vec<&str> = scope.path().collect();
        return Err(Refusal::not_found(scope.host(), path.join("/")));
    };
    claim_on(directory, &hub, scope, token, now).map_err(Refusal::of_token)
}

/// The hub on which a token that comes with a request allows `needed` for `resource`.
pub(crate) fn hub_of_token(
    directory: &Directory,
    token: &str,
    resource: &[Segment<'_>],
    needed: Permissions,
    now: UnixMillis,
) -> Option<HubId> {
    let scope = SasToken::parse(token).ok()?.scope().ok()?;
    let hub = directory.hub_by_host(scope.host())?;
    let grant = directory.authorize_service(hub.id, token, resource, needed, now).ok()?;
    Some(grant.hub)
}

fn claim_on(
    directory: &Directory,
    hub: &Hub,
    scope: Scope<'_>,
    token: &str,
    now: UnixMillis,
) -> Result<Claim, AuthFailure> {
    let resource = resource_of(&scope);
    let grant = directory.authorize_service(hub.id, token, &resource, Permissions::NONE, now)?;
    let (permissions, expires) = (grant.permissions, grant.expires);
    let token = Some(token.into());
    Ok(Claim { hub: hub.id, scope: scope.into_owned(), permissions, expires, token })
}

/// Device and module ids compare with case, everything else without.
fn resource_of<'a>(scope: &'a Scope<'_>) -> Vec<Segment<'a>> {
    let of_device = scope.path().next().is_some_and(|first| first.eq_ignore_ascii_case("devices"));
    let segment = |(place, text): (usize, &'a str)| match (of_device, place) {
        (true, 1 | 3) => Segment::Id(text),
        _ => Segment::Literal(text),
    };
    scope.path().enumerate().map(segment).collect()
}

/// Why a user and password are refused; for the log, since the client learns no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlainRefused {
    /// The user names nobody.
    #[error("the user name is none of a policy, a device or a module")]
    User,
    /// A key is no password of a device.
    #[error("devices log in by tokens only")]
    DeviceKey,
    /// No hub has the name.
    #[error("the hub is unknown")]
    UnknownHub,
    /// No policy of the hub has the name, or the password is none of its keys.
    #[error("the policy or its key is wrong")]
    Key,
    /// The token names another policy than the user.
    #[error("the token is for another policy")]
    OtherPolicy,
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] AuthFailure),
}

/// Who has logged in by SASL PLAIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// Somebody with a policy.
    Policy(Claim),
    /// A device or module.
    Identity(Grant),
}

/// Judges a SASL PLAIN login: a policy with a token or the text of its key, or a device or module
/// with a token.
///
/// Source: service-endpoints reference, "SASL layer"; device-endpoints reference, "Connection
/// start".
pub(crate) fn login_of_plain(
    directory: &Directory,
    hostname: Option<&str>,
    (user, password): (&str, &str),
    now: UnixMillis,
) -> Result<Login, PlainRefused> {
    let called = |hub| hub_called(directory, hub).ok_or(PlainRefused::UnknownHub);
    match PlainUser::parse(user).ok_or(PlainRefused::User)? {
        PlainUser::Policy { policy, hub } => {
            let hub = called(hub)?;
            claim_of_hub_token(directory, &hub, policy, password, now).map(Login::Policy)
        }
        PlainUser::PolicyKey { policy } => {
            let hub = hub_meant(directory, hostname).ok_or(PlainRefused::UnknownHub)?;
            claim_of_key(&hub, policy, password).map(Login::Policy)
        }
        PlainUser::Identity { identity, hub } => {
            let hub = called(hub)?.id;
            let name = IdentityRef::from(&identity);
            Ok(Login::Identity(directory.authenticate(hub, name, password, now)?))
        }
        PlainUser::IdentityKey { .. } => Err(PlainRefused::DeviceKey),
    }
}

fn claim_of_key(hub: &Hub, policy: &str, key: &str) -> Result<Claim, PlainRefused> {
    let policy = hub.policy(policy).filter(|policy| is_key_of(policy, key));
    let policy = policy.ok_or(PlainRefused::Key)?;
    let scope = Scope::decode(&hub.host_name);
    Ok(Claim {
        hub: hub.id,
        scope: scope.map_err(|InvalidScope| AuthFailure::Scope)?.into_owned(),
        permissions: policy.permissions,
        expires: UnixMillis::from_millis(i64::MAX),
        token: None,
    })
}

/// The claim reaches as far as the token says.
fn claim_of_hub_token(
    directory: &Directory,
    hub: &Hub,
    policy: &str,
    token: &str,
    now: UnixMillis,
) -> Result<Claim, PlainRefused> {
    let parsed = SasToken::parse(token).map_err(AuthFailure::from)?;
    if parsed.policy() != Some(policy) {
        return Err(PlainRefused::OtherPolicy);
    }
    let scope = parsed.scope().map_err(AuthFailure::from)?;
    Ok(claim_on(directory, hub, scope, token, now)?)
}

/// Users name a hub by the first label of its host name, or by all of it.
fn hub_called(directory: &Directory, name: &str) -> Option<Arc<Hub>> {
    directory.hub_by_host(name).or_else(|| directory.hub_by_first_label(name))
}

/// The hub of a login that does not name one: that of the host that was dialled, or after a name
/// that no hub has the only hub.
fn hub_meant(directory: &Directory, hostname: Option<&str>) -> Option<Arc<Hub>> {
    let named = directory.hub_by_host(hostname.unwrap_or("localhost"));
    named.or_else(|| directory.only_hub())
}

fn is_key_of(policy: &Policy, password: &str) -> bool {
    let is = |key: String| verify_slices_are_equal(key.as_bytes(), password.as_bytes()).is_ok();
    is(policy.keys.primary_text()) | is(policy.keys.secondary_text())
}
