//! Questions about partitions, on a connection of their own: an answer does not queue behind the
//! events that it is compared with.

use std::time::Duration;

use bytes::BytesMut;
use ringhub_core::codec::amqp::performative::Source;
use ringhub_core::session::amqp::{AmqpEvent, LinkId, Outgoing};
use ringhub_edge::client::Refusal;
use ringhub_edge::client::management::{
    NODE, Position, about_event_hub, about_partition, read_partition_ids, read_position,
    read_refusal,
};

use super::backend::BackEnd;
use super::fault::Fault;
use super::plan::Plan;

/// Both links to `$management`.
pub(super) struct Desk {
    back_end: BackEnd,
    questions: LinkId,
    answers: LinkId,
    entity: String,
    timeout: Duration,
}

impl Desk {
    /// Connects, and attaches both links.
    pub(super) async fn open(plan: &Plan) -> Result<Self, Fault> {
        let mut back_end = BackEnd::connect(plan).await?;
        let answers = back_end
            .attach(|machine, session| machine.attach_receiver(session, NODE, Source::new(NODE)))?;
        let questions =
            back_end.attach(|machine, session| machine.attach_sender(session, NODE, NODE))?;
        let mut may_send = false;
        while !may_send {
            let handle = |_: &mut _, event: AmqpEvent<'_>| {
                match event {
                    AmqpEvent::Credit { link, .. } => may_send |= link == questions,
                    AmqpEvent::LinkDetached { error, .. } | AmqpEvent::Closed(error) => {
                        return Err(Fault::of_end(error));
                    }
                    _ => {}
                }
                Ok(())
            };
            back_end.turn(plan.timeout, handle).await?;
        }
        let (entity, timeout) = (plan.entity.clone(), plan.timeout);
        Ok(Self { back_end, questions, answers, entity, timeout })
    }

    /// The partitions that there are, by their ids.
    pub(super) async fn partition_ids(&mut self) -> Result<Vec<String>, Fault> {
        let answer = self.ask(&about_event_hub(&self.entity)).await?;
        read_partition_ids(&answer).ok_or_else(no_answer)
    }

    /// Where a partition stands.
    pub(super) async fn position(&mut self, partition: &str) -> Result<Position, Fault> {
        let answer = self.ask(&about_partition(&self.entity, partition)).await?;
        read_position(&answer).ok_or_else(no_answer)
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        self.back_end.close().await;
    }

    async fn ask(&mut self, question: &BytesMut) -> Result<Vec<u8>, Fault> {
        let machine = self.back_end.machine();
        machine.grant_credit(self.answers, 1);
        let sent = machine.send(self.questions, &[question], Outgoing::default());
        sent.map_err(|error| Fault::Protocol(error.to_string()))?;
        let mut answer = None;
        while answer.is_none() {
            let handle = |_: &mut _, event: AmqpEvent<'_>| {
                match event {
                    AmqpEvent::Message { payload, .. } => answer = Some(payload.to_vec()),
                    AmqpEvent::LinkDetached { error, .. } | AmqpEvent::Closed(error) => {
                        return Err(Fault::of_end(error));
                    }
                    _ => {}
                }
                Ok(())
            };
            self.back_end.turn(self.timeout, handle).await?;
        }
        let answer = answer.ok_or(Fault::Lost)?;
        match read_refusal(&answer) {
            Some(Refusal { code, message, .. }) => {
                Err(Fault::Refused { condition: code, text: message })
            }
            None => Ok(answer),
        }
    }
}

fn no_answer() -> Fault {
    Fault::Protocol("what $management says is no answer of a hub".to_owned())
}
