//! The way of a REST request from its shard to those who answer it, past the quotas of its hub.

use std::sync::Arc;

use ringhub_core::auth::CertificateChain;

use crate::api::{
    ApiError, Context, DeviceRequest, Front, Passed, QueryJob, QueryQueue, Reply, Request, Response,
};
use crate::quota::{AnswerCost, Gate};
use crate::registry::RegistryError;

/// A request that is let in, for a worker.
pub(crate) struct Job {
    pub(crate) passed: Passed,
    pub(crate) reply: Reply,
}

/// Takes requests in. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    pub(crate) front: Arc<Front>,
    pub(crate) requests: flume::Sender<Job>,
    pub(crate) queries: QueryQueue,
    pub(crate) gate: Gate,
}

impl Intake {
    /// Checks a request and hands it on, at once or when its hub may do it. What is refused is
    /// answered on this thread.
    pub(crate) fn submit(
        &self,
        request: Request,
        certificate: Option<&CertificateChain>,
        reply: Reply,
    ) {
        let context = match self.front.pass(request, certificate, reply) {
            None => return,
            Some((Passed::Hub(context), reply)) if !self.gate.is_open() => (context, reply),
            Some((passed, reply)) => return self.go_on(passed, reply),
        };
        let hub = context.0.hub();
        let (intake, kind) = (self.clone(), context.0.answer_cost());
        let cost = |(context, _): &(Context, Reply), quota: &_| context.cost(quota);
        let go_on = move |(context, reply): (Context, Reply)| {
            let reply = intake.charging(&context, kind, reply);
            intake.go_on(Passed::Hub(context), reply);
        };
        self.gate.enter(hub, cost, context, go_on, |(context, reply), why| {
            reply(context.refusal(RegistryError::Quota(why)));
        });
    }

    /// Who asks for what on a route of devices; see [`Front::admit_device`].
    pub(crate) fn admit_device(
        &self,
        request: &Request,
        certificate: Option<&CertificateChain>,
    ) -> Option<Result<DeviceRequest, ApiError>> {
        self.front.admit_device(request, certificate)
    }

    fn go_on(&self, passed: Passed, reply: Reply) {
        let passed = match passed {
            Passed::Hub(context) if context.is_method() => {
                return self.front.invoke_method(context, reply);
            }
            Passed::Hub(context) if context.is_query() => {
                return self.queries.submit(QueryJob { context, reply });
            }
            passed => passed,
        };
        if let Err(refused) = self.requests.try_send(Job { passed, reply }) {
            (refused.into_inner().reply)(ApiError::Busy.response());
        }
    }

    /// An answer that the day is charged for before it leaves.
    fn charging(&self, context: &Context, cost: AnswerCost, reply: Reply) -> Reply {
        if cost == AnswerCost::Nothing {
            return reply;
        }
        let (gate, hub) = (self.gate.clone(), context.hub());
        Box::new(move |response: Response| {
            if response.status.is_success() {
                gate.charge_answer(hub, cost, response.body.len());
            }
            reply(response);
        })
    }
}
