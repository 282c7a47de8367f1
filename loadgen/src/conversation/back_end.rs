//! How back ends log in at the hub of a run.

use ringhub_edge::client::{ClientError, Remote, RestClient, Target};

use crate::cli::{self, Connections};
use crate::error::Error;

/// Anything that everybody with the right `ServiceConnect` may read.
const STATISTICS: &str = "/statistics/service";

/// The hub as a policy sees it.
pub(crate) fn target(
    connections: &Connections,
    (policy, key): (&str, &str),
    amqp_port: Option<u16>,
) -> Result<Target, ClientError> {
    let Connections { host, ca, https_port, .. } = connections;
    let text = format!("HostName={host};SharedAccessKeyName={policy};SharedAccessKey={key}");
    let https_port = *https_port;
    let remote = Remote { ca: Some(ca.clone()), https_port, amqp_port, ..Remote::default() };
    let mut target = Target::remote(&text, &remote)?;
    if let Some(address) = connections.address {
        target.https.host = address.to_string();
        target.amqp.host = address.to_string();
    }
    Ok(target)
}

/// The same for the back end of a conversation: its own policy, or that of the devices.
pub(crate) fn service_target(
    connections: &Connections,
    conversation: &cli::Conversation,
) -> Result<Target, Error> {
    let cli::Conversation { service_policy, service_key, amqps_port, .. } = conversation;
    let own = service_policy.as_deref().zip(service_key.as_deref());
    let common = connections.policy.as_deref().zip(connections.key.as_deref());
    let login = own.or(common).ok_or(Error::NoBackEnd)?;
    target(connections, login, *amqps_port).map_err(Error::BackEnd)
}

/// Checks that the hub lets the policy in.
pub(super) fn check(rest: &RestClient) -> Result<(), Error> {
    rest.read(STATISTICS).map(drop).map_err(Error::BackEnd)
}
