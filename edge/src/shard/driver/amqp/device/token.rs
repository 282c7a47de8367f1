//! Tokens that clients put for devices and modules.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use ringhub_control_plane::directory::{AuthFailure, Credential, IdentityRef};
use ringhub_core::auth::{SasToken, Scope};
use ringhub_core::codec::amqp::performative::Condition;
use tracing::debug;

use super::super::{AmqpDriver, Context};
use super::TooManyTokens;
use crate::reader::Refusal;

/// The device or module that a token is put for: that of the token itself, whatever its audience,
/// or of the audience if it is a token of a policy. `None` if it is none of a device.
///
/// Source: device-endpoints reference, "CBS node `$cbs`".
pub(in super::super) fn device_resource<'t>(
    audience: &'t str,
    token: &'t str,
) -> Option<Scope<'t>> {
    let parsed = SasToken::parse(token).ok()?;
    let scope = match parsed.policy() {
        None => parsed.scope().ok(),
        Some(_) => Scope::decode(audience).ok(),
    };
    scope.filter(|scope| identity_of(scope).is_some())
}

/// `{host}/devices/{device}[/modules/{module}]`, and what may follow.
fn identity_of<'s>(scope: &'s Scope<'_>) -> Option<IdentityRef<'s>> {
    let mut path = scope.path();
    path.next().filter(|first| first.eq_ignore_ascii_case("devices"))?;
    let device = path.next()?;
    let module = match path.next() {
        Some(modules) if modules.eq_ignore_ascii_case("modules") => Some(path.next()?),
        _ => None,
    };
    Some(IdentityRef { device, module })
}

/// Names as they are registered, where a client has encoded them twice.
fn decoded_again(name: IdentityRef<'_>) -> Option<(String, Option<String>)> {
    let decode = |text| percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned);
    let module = name.module.map(|module| decode(module).ok_or(())).transpose().ok()?;
    Some((decode(name.device)?, module))
}

impl AmqpDriver {
    /// Judges a token of a device or module, and keeps it in the place of an earlier one. Links of
    /// the identity stay as they are.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with.
    pub(in super::super) fn put_device_token(
        &mut self,
        resource: &Scope<'_>,
        token: &str,
        cx: &Context<'_>,
    ) -> Result<(), Refusal> {
        let directory = cx.services.control.directory();
        let judged = identity_of(resource).ok_or(AuthFailure::Scope).and_then(|name| {
            let hub = directory.hub_by_host(resource.host()).ok_or(AuthFailure::UnknownHub)?;
            let certificate = self.credentials.certificate();
            let credential = Credential { token: Some(token), certificate };
            let judge = |name| directory.authenticate(hub.id, name, credential, cx.wall);
            match (judge(name), decoded_again(name)) {
                (
                    Err(AuthFailure::UnknownDevice | AuthFailure::UnknownModule),
                    Some((device, module)),
                ) => judge(IdentityRef { device: &device, module: module.as_deref() }),
                (judged, _) => judged,
            }
        });
        let grant = judged.map_err(Refusal::of_token)?;
        self.choose_hub(grant.hub, resource.host(), cx)?;
        let (hub, identity) = (cx.services.hub_name(grant.hub), &grant.identity);
        debug!(%hub, %identity, connection = %cx.connection, expires = %grant.expires, "token accepted");
        self.credentials.put(grant, cx.wall).map_err(|TooManyTokens| {
            let text = "The connection holds as many tokens as it may hold (403005).";
            Refusal::new(Condition::ResourceLimitExceeded, text)
        })
    }
}
