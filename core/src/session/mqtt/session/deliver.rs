//! Packets from the hub to the client: C2D messages, method calls, twin replies and notifications.

use super::super::outbound::{DeliveryToken, Outbound};
use super::super::subscription::SubscriptionKind;
use super::{MqttSession, State};
use crate::codec::mqtt::{Delivery, Publish, Qos};
use crate::id::{Identity, PacketId};
use crate::limits::MQTT_TRANSMIT_BYTES_MAX;

/// A C2D message for [`MqttSession::deliver`].
#[derive(Clone, Copy, Debug)]
pub struct DeviceBound<'a> {
    /// Input of the module that the message goes to; `None` is the device-bound queue.
    pub input: Option<&'a str>,
    /// Encoded property bag, never empty (G17).
    pub bag: &'a str,
    /// Body.
    pub payload: &'a [u8],
    /// The message was delivered before: sets DUP.
    pub redelivered: bool,
    /// Comes back with the acknowledgement.
    pub token: DeliveryToken,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// QoS 1: complete the message when [`Handled::Delivered`](super::super::Handled::Delivered)
    /// names its token.
    AwaitsPuback,
    /// QoS 0: complete the message once the bytes are written.
    Written,
}

/// Why a packet was not queued for the client; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The client has no subscription that matches, or is not connected.
    #[error("the client has not subscribed")]
    NotSubscribed,
    /// The client has too much unacknowledged or unread; try again after its next packet.
    #[error("the client is behind")]
    WindowFull,
    /// Topic or payload do not fit an MQTT packet.
    #[error("the packet is too long")]
    TooLong,
}

impl MqttSession {
    /// Whether [`deliver`](Self::deliver) would take a message of the device-bound queue now.
    ///
    /// # Errors
    /// [`NotSent`]: what is in the way.
    pub fn can_deliver(&self) -> Result<(), NotSent> {
        self.subscribed(self.subscriptions.device_bound())?;
        let has_window = self.outbound.as_ref().is_none_or(|outbound| outbound.can_deliver());
        if has_window && !self.is_behind() { Ok(()) } else { Err(NotSent::WindowFull) }
    }

    /// Whether the client does not take what is sent: no packet of its own ends that.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.transmit.len() >= MQTT_TRANSMIT_BYTES_MAX
    }

    /// Queues a C2D message.
    ///
    /// # Errors
    /// [`NotSent`]: the message stays where it was.
    pub fn deliver(&mut self, message: DeviceBound<'_>) -> Result<Delivered, NotSent> {
        let qos = match message.input {
            None => self.subscriptions.device_bound(),
            Some(_) => self.subscriptions.module_inputs(),
        };
        let qos = self.subscribed(qos)?;
        let topic = self.device_bound_topic(&message).ok_or(NotSent::NotSubscribed)?;
        if qos == Qos::AtMostOnce {
            self.send(&topic, message.payload, Delivery::AtMostOnce)?;
            return Ok(Delivered::Written);
        }
        let outbound = self.outbound.get_or_insert_with(|| Box::new(Outbound::new()));
        if !outbound.can_deliver() {
            return Err(NotSent::WindowFull);
        }
        let id = outbound.register(Some(message.token));
        let delivery = Delivery::AtLeastOnce { id, dup: message.redelivered };
        self.send_registered(&topic, message.payload, delivery, id)?;
        Ok(Delivered::AwaitsPuback)
    }

    /// Queues a method call.
    ///
    /// # Errors
    /// [`NotSent`]: the client does not hear of the call.
    pub fn invoke_method(&mut self, name: &str, rid: &str, body: &[u8]) -> Result<(), NotSent> {
        let qos = self.subscriptions.qos(SubscriptionKind::Methods);
        self.notify(qos, &format!("$iothub/methods/POST/{name}/?$rid={rid}"), body)
    }

    /// Queues a change of the desired properties; `patch` holds `$version` too (G14).
    ///
    /// # Errors
    /// [`NotSent`]: the client does not hear of the change.
    pub fn notify_desired(&mut self, version: u64, patch: &[u8]) -> Result<(), NotSent> {
        let qos = self.subscriptions.qos(SubscriptionKind::DesiredProperties);
        let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
        self.notify(qos, &topic, patch)
    }

    /// Queues the reply to a [`Handled::TwinRequest`](super::super::Handled::TwinRequest). `status`
    /// has three digits; `version` is the new version of the reported section after a successful
    /// patch (G11, G12).
    ///
    /// # Errors
    /// [`NotSent`]: without a subscription there is no reply, though the operation was performed
    /// (G29).
    pub fn reply_twin(
        &mut self,
        status: u16,
        rid: &str,
        version: Option<u64>,
        body: &[u8],
    ) -> Result<(), NotSent> {
        debug_assert!((100..1000).contains(&status), "SDKs expect three digits");
        let qos = self.subscriptions.qos(SubscriptionKind::TwinResponses);
        let mut topic = format!("$iothub/twin/res/{status}/?$rid={rid}");
        if let Some(version) = version {
            topic.push_str(&format!("&$version={version}"));
        }
        self.notify(qos, &topic, body)
    }

    /// Queues a packet whose acknowledgement nobody waits for; falls back to QoS 0 when too many
    /// are unacknowledged.
    fn notify(&mut self, qos: Option<Qos>, topic: &str, body: &[u8]) -> Result<(), NotSent> {
        if self.subscribed(qos)? == Qos::AtMostOnce {
            return self.send(topic, body, Delivery::AtMostOnce);
        }
        let outbound = self.outbound.get_or_insert_with(|| Box::new(Outbound::new()));
        if outbound.is_full() {
            return self.send(topic, body, Delivery::AtMostOnce);
        }
        let id = outbound.register(None);
        self.send_registered(topic, body, Delivery::AtLeastOnce { id, dup: false }, id)
    }

    fn subscribed(&self, qos: Option<Qos>) -> Result<Qos, NotSent> {
        match self.state {
            State::Connected | State::AwaitingSubscribed => qos.ok_or(NotSent::NotSubscribed),
            State::ExpectConnect | State::AwaitingVerdict | State::Closed => {
                Err(NotSent::NotSubscribed)
            }
        }
    }

    fn device_bound_topic(&self, message: &DeviceBound<'_>) -> Option<String> {
        let Identity { device, module } = self.identity.as_ref()?;
        let module = module.as_ref().map(|module| format!("/modules/{module}")).unwrap_or_default();
        Some(match message.input {
            None => format!("devices/{device}{module}/messages/devicebound/{}", message.bag),
            Some(input) => format!("devices/{device}{module}/inputs/{input}/{}", message.bag),
        })
    }

    fn send_registered(
        &mut self,
        topic: &str,
        payload: &[u8],
        delivery: Delivery,
        id: PacketId,
    ) -> Result<(), NotSent> {
        let sent = self.send(topic, payload, delivery);
        if sent.is_err()
            && let Some(outbound) = &mut self.outbound
        {
            outbound.acknowledge(id);
        }
        sent
    }

    fn send(&mut self, topic: &str, payload: &[u8], delivery: Delivery) -> Result<(), NotSent> {
        if self.transmit.len() >= MQTT_TRANSMIT_BYTES_MAX {
            return Err(NotSent::WindowFull);
        }
        let publish = Publish { topic, delivery, retain: false, payload };
        publish.encode(&mut self.transmit).map_err(|_| NotSent::TooLong)
    }
}
