//! The outcome of a delivery, told back to whoever waits for that.

use ringhub_core::codec::amqp::performative::DeliveryState;

/// The same outcome, without its reason; one that was not given is a release.
pub(crate) fn repeated(state: Option<DeliveryState<'_>>) -> DeliveryState<'static> {
    match state {
        Some(DeliveryState::Accepted) => DeliveryState::Accepted,
        Some(DeliveryState::Rejected(_)) => DeliveryState::Rejected(None),
        Some(DeliveryState::Modified { delivery_failed, undeliverable_here }) => {
            DeliveryState::Modified { delivery_failed, undeliverable_here }
        }
        Some(DeliveryState::Released | DeliveryState::Other) | None => DeliveryState::Released,
    }
}
