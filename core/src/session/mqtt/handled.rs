//! What a packet means to the driver.

use super::outbound::DeliveryToken;
use super::publish::D2cPublish;
use super::subscription::Subscriptions;
use super::user_name::UserName;
use crate::id::PacketId;

/// Meaning of one packet; each variant names what the driver owes the session.
#[derive(Debug)]
pub enum Handled<'p> {
    /// Judge the client, then call `accept` or `refuse`.
    Connect(ConnectRequest<'p>),
    /// Push the message into the ring, then call `handle_accepted`.
    Publish(D2cPublish<'p>),
    /// Pass the answer to whoever called the method.
    MethodResponse(MethodResponse<'p>),
    /// Perform the operation, then call `reply_twin`.
    TwinRequest(TwinRequest<'p>),
    /// Persist the set if asked to, then call `handle_subscribed`.
    Subscribe(SubscriptionChange),
    /// As [`Subscribe`](Self::Subscribe); deliveries of what was declined end now.
    Unsubscribe(SubscriptionChange),
    /// The client owns the message now: complete it.
    Delivered(DeliveryToken),
    /// The client leaves: call `close` with `CloseReason::Disconnect`.
    Disconnect,
    /// Nothing to do.
    Nothing,
}

/// A client that wants in.
#[derive(Debug)]
pub struct ConnectRequest<'p> {
    /// Hub, identity and client description; the client id has been compared with it.
    pub user_name: UserName<'p>,
    /// SAS token; absent when a certificate speaks for the client.
    pub password: Option<&'p [u8]>,
    /// Drop the stored subscriptions.
    pub clean_session: bool,
}

/// Answer of a device to a method call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodResponse<'p> {
    /// Status chosen by the device.
    pub status: i32,
    /// Request id of the call, verbatim.
    pub rid: &'p str,
    /// JSON, or empty.
    pub body: &'p [u8],
}

/// Operation on the twin of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwinRequest<'p> {
    /// Request id to repeat in the reply, verbatim.
    pub rid: &'p str,
    /// What to do.
    pub operation: TwinOperation<'p>,
}

/// What a client may do with its twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwinOperation<'p> {
    /// Read both sections.
    Get,
    /// Merge into the reported section.
    PatchReported {
        /// Only if the section has this version.
        version: Option<u64>,
        /// JSON object, not yet looked at.
        patch: &'p [u8],
    },
}

/// The subscriptions as they will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// All subscriptions after the change.
    pub subscriptions: Subscriptions,
    /// Whether they outlive the connection (CleanSession 0) and differ from those before.
    pub persist: bool,
}

/// An answer that waits until the change is durable.
#[derive(Debug)]
pub(super) struct AwaitedChange {
    pub(super) subscriptions: Subscriptions,
    pub(super) id: PacketId,
    /// Codes of the SUBACK; none for an UNSUBACK.
    pub(super) codes: Option<Vec<u8>>,
}
