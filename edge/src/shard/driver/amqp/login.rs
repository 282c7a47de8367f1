//! Logins, and the end of what clients have proved.

use ringhub_core::codec::amqp::performative::SaslCode;
use ringhub_core::session::amqp::SaslStep;
use tracing::info;

use super::{AmqpDriver, Context};
use crate::reader::{Expired, Login, Refusal, login_of_plain};

impl AmqpDriver {
    pub(super) fn on_sasl(&mut self, step: &SaslStep<'_>, cx: &Context<'_>) {
        let code = match step.mechanism {
            "PLAIN" => self.log_in(step, cx),
            "EXTERNAL" if self.credentials.certificate().is_none() => SaslCode::Auth,
            _ => SaslCode::Ok,
        };
        self.connection.sasl_outcome(code);
    }

    fn log_in(&mut self, step: &SaslStep<'_>, cx: &Context<'_>) -> SaslCode {
        let Some(login) = step.plain() else { return SaslCode::Auth };
        let directory = cx.services.control.directory();
        match login_of_plain(directory, step.hostname, login, cx.wall) {
            Ok(Login::Policy(claim)) if self.choose_hub(claim.hub, "", cx).is_ok() => {
                self.claims.log_in(claim);
                self.note_claims(cx);
                SaslCode::Ok
            }
            Ok(Login::Identity(grant)) if self.choose_hub(grant.hub, "", cx).is_ok() => {
                self.credentials.log_in(grant);
                SaslCode::Ok
            }
            Ok(_) => SaslCode::Auth,
            Err(reason) => {
                cx.counters().amqp_logins_refused.add(1);
                let (hub, connection) = (cx.services.any_hub_name(), cx.connection);
                info!(hub, user = login.0, %connection, %reason, "PLAIN refused");
                SaslCode::Auth
            }
        }
    }

    pub(super) fn note_claims(&mut self, cx: &Context<'_>) {
        self.claims_end = self.claims.next_end().map(|end| cx.deadline_at(end));
    }

    /// Forgets claims that have ended, and detaches the readers that nothing allows any more.
    pub(super) fn expire_claims(&mut self, cx: &Context<'_>) {
        if self.claims_end.is_none_or(|end| end > cx.now) {
            return;
        }
        let expired = self.claims.remove_expired(cx.wall);
        self.note_claims(cx);
        match expired {
            Expired::Nothing => {}
            Expired::Login => self.connection.close(Some(Refusal::expired().error())),
            Expired::Claims => self.detach_unclaimed(cx),
        }
    }

    fn detach_unclaimed(&mut self, cx: &Context<'_>) {
        self.detach_unclaimed_readers(cx);
        self.detach_unclaimed_service(cx);
    }
}
