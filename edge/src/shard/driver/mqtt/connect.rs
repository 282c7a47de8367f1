//! From CONNECT to CONNACK: credential, takeover, stamps.

use std::fmt::Display;

use ringhub_control_plane::directory::{Credential, Grant, IdentityRef};
use ringhub_core::auth::CertificateChain;
use ringhub_core::codec::mqtt::ConnackCode;
use ringhub_core::limits::{MODEL_ID_BYTES_MAX, TOKEN_EXPIRY_GRACE};
use ringhub_core::quota::Verdict;
use ringhub_core::session::mqtt::user_name::{ApiVersion, UserName};
use ringhub_core::session::mqtt::{Acceptance, CloseReason, ConnectRequest, Subscriptions};
use ringhub_core::time::{Timestamp, UnixMillis};
use tracing::{debug, info};

use super::throttle::Throttle;
use super::{Context, MqttDriver};
use crate::shard::Close;
use crate::shard::seat::Seat;

impl MqttDriver {
    pub(super) fn on_connect(
        &mut self,
        request: &ConnectRequest<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let user_name = &request.user_name;
        if cx.services.pipeline.failed().is_some() {
            return Err(self.end(CloseReason::LogFailed));
        }
        let certificate = self.certificate.take();
        let Some(grant) = authenticate(request, certificate.as_deref(), cx) else {
            return Err(self.end(CloseReason::Refused(ConnackCode::NotAuthorized)));
        };
        let expires = grant.expires;
        let Ok(taken) = Seat::take(grant, announced_model(user_name), 0, cx) else {
            return Err(self.end(CloseReason::Refused(ConnackCode::NotAuthorized)));
        };
        let stored = Subscriptions::from_bits(u16::try_from(taken.subscriptions).unwrap_or(0));
        self.acceptance = Some(Box::new(Acceptance {
            session_present: stored != Subscriptions::NONE,
            subscriptions: stored,
            token_deadline: Some(token_deadline(expires, cx)),
        }));
        if request.clean_session && stored != Subscriptions::NONE {
            cx.services.store_subscriptions(taken.seat.grant(), Subscriptions::NONE, None);
        }
        let verdict = taken.seat.pay_connect(cx);
        self.seat = Some(Box::new(taken.seat));
        match verdict {
            Verdict::Pass => {}
            Verdict::Delayed(until) => self.throttle = Some(Box::new(Throttle::Connect(until))),
            Verdict::Refused(_) => {
                return Err(self.end(CloseReason::Refused(ConnackCode::ServerUnavailable)));
            }
        }
        self.accept_if_alone(cx);
        Ok(())
    }

    /// Sends CONNACK once no former seat of the identity is left and the hub takes it; what those
    /// pushed last is awaited before anything is read.
    pub(super) fn accept_if_alone(&mut self, cx: &mut Context<'_>) {
        let Some(seat) = &mut self.seat else { return };
        if matches!(self.throttle.as_deref(), Some(Throttle::Connect(_))) || !seat.admit(cx) {
            return;
        }
        let Some(acceptance) = self.acceptance.take() else { return };
        self.session.accept(*acceptance, cx.now);
        cx.counters().connects_accepted.add(1);
        self.was_accepted = true;
        let (hub, connection) = (seat.hub_name(), cx.connection);
        debug!(hub, identity = %seat.grant().identity, %connection, "device connected");
        self.tell_callers_ready(cx);
        self.deliver_waiting(cx);
    }
}

/// Judges the credential of a CONNECT; the log names the reason, the client learns only that it is
/// refused.
fn authenticate(
    request: &ConnectRequest<'_>,
    certificate: Option<&CertificateChain>,
    cx: &Context<'_>,
) -> Option<Grant> {
    let UserName { host, device, module, .. } = request.user_name;
    let refused = |reason: &dyn Display| {
        let connection = cx.connection;
        info!(hub = host, device, module, %connection, %reason, "CONNECT refused");
        None
    };
    let directory = cx.services.control.directory();
    let Some(hub) = directory.hub_by_host(host) else { return refused(&"no such hub") };
    let token = request.password.and_then(|password| str::from_utf8(password).ok());
    let credential = Credential { token, certificate };
    let identity = IdentityRef { device, module };
    let judged = directory.authenticate(hub.id, identity, credential, cx.wall);
    judged.map_or_else(|reason| refused(&reason), Some)
}

/// The Plug and Play model in the user name; old revisions of the device API know none.
///
/// Source: device-endpoints reference, "CONNECT".
fn announced_model<'a>(user_name: &'a UserName<'_>) -> Option<&'a str> {
    let knows_models = user_name.api_version.is_some_and(|v| v >= ApiVersion::PLUG_AND_PLAY);
    let is_model = |model: &&str| knows_models && (1..=MODEL_ID_BYTES_MAX).contains(&model.len());
    user_name.model_id.as_deref().filter(is_model)
}

/// When a connection ends whose token expires at `expires`.
///
/// The grace is added before clocks change: a token may have expired when it is accepted.
fn token_deadline(expires: UnixMillis, cx: &Context<'_>) -> Timestamp {
    let grace_ms = i64::try_from(TOKEN_EXPIRY_GRACE.as_millis()).unwrap_or(i64::MAX);
    let end_ms = expires.as_millis().saturating_add(grace_ms);
    cx.deadline_at(UnixMillis::from_millis(end_ms))
}
