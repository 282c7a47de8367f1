//! What is to be read, from the arguments.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringhub_edge::client::start::Start;
use ringhub_edge::client::{Credential, Principal, sasl_user};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::arguments::ReaderArguments;
use crate::error::Error;
use crate::fleet::FleetError;
use crate::plan::resolve;
use crate::trust::client_config;

/// When reading ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// After so long.
    Elapsed(Duration),
    /// When all that was there at the beginning has come.
    CaughtUp,
}

/// A run.
pub(super) struct Plan {
    pub(super) target: SocketAddr,
    pub(super) host: String,
    pub(super) server: ServerName<'static>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) policy: String,
    /// Name and password of the login.
    pub(super) user: String,
    pub(super) token: String,
    pub(super) entity: String,
    pub(super) consumer_group: String,
    /// Empty stands for all.
    pub(super) partitions: Vec<String>,
    pub(super) start: Start,
    pub(super) credit: u32,
    pub(super) epoch: Option<i64>,
    /// Whether payloads begin with numbers that are to be checked.
    pub(super) is_numbered: bool,
    pub(super) until: Until,
    pub(super) timeout: Duration,
}

impl Plan {
    pub(super) fn new(arguments: &ReaderArguments) -> Result<Self, Error> {
        let ReaderArguments { host, policy, key, .. } = arguments;
        let until = match (arguments.until_caught_up, arguments.from()) {
            (true, Start::Latest) => return Err(Error::NothingToCatchUp),
            (true, _) => Until::CaughtUp,
            (false, _) => Until::Elapsed(arguments.duration),
        };
        let credential = Credential::new(Principal::Policy(policy.clone()), key);
        let credential = credential.ok_or(FleetError::PolicyKey)?;
        Ok(Self {
            target: resolve(host, arguments.address, arguments.port)?,
            host: host.clone(),
            server: ServerName::try_from(host.clone())
                .map_err(|_| Error::HostName(host.clone()))?,
            tls: client_config(&arguments.ca, None, None)?,
            policy: policy.clone(),
            user: sasl_user(policy, host),
            token: credential.token(host),
            entity: arguments.entity.clone(),
            consumer_group: arguments.consumer_group.clone(),
            partitions: arguments.partitions.clone(),
            start: arguments.from(),
            credit: arguments.credit,
            epoch: arguments.epoch,
            is_numbered: arguments.numbered,
            until,
            timeout: arguments.timeout,
        })
    }

    /// Where the events of a partition come from.
    pub(super) fn address(&self, partition: &str) -> String {
        let Self { entity, consumer_group, .. } = self;
        format!("{entity}/ConsumerGroups/{consumer_group}/Partitions/{partition}")
    }
}
