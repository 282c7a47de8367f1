//! What is to be done, from the arguments.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ringhub_core::codec::mqtt::Qos;
use ringhub_core::limits::{D2C_MESSAGE_BYTES_MAX, DEVICES_PER_HUB_MAX};
use ringhub_core::session::amqp::AmqpConfig;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::cadence::Cadence;
use crate::cli::{
    ConnectArguments, Connections, PER_SECOND_MAX, Protocol, StormArguments, Target,
    TelemetryArguments, Turnover,
};
use crate::conversation::Conversation;
use crate::conversation::service::Service;
use crate::device::{Manner, Speech};
use crate::error::Error;
use crate::fleet::Fleet;
use crate::http_device::batch_bytes;
use crate::numbering;
use crate::schedule::Schedule;
use crate::share::Share;
use crate::source::{Sources, ports_each};
use crate::storm::{Storm, Tickets};
use crate::trust::client_config;

/// Length of time for which tokens are good beyond the planned end.
const TOKEN_MARGIN: Duration = Duration::from_secs(3600);
/// Where hubs speak AMQP over TLS.
const AMQPS_PORT: u16 = 5671;
/// Where hubs speak HTTP over TLS.
const HTTPS_PORT: u16 = 443;

/// What devices do once they are connected.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Nothing, for so long after the last one was due.
    Hold(Duration),
    /// They publish.
    Publish(Load),
    /// They are cut off and come back.
    Storm(Storm),
}

/// How devices publish.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// When; `None` is as soon as the window has room.
    pub(crate) cadence: Option<Cadence>,
    pub(crate) qos: Qos,
    pub(crate) payload: Vec<u8>,
    /// Whether each payload begins with a number.
    pub(crate) is_numbered: bool,
    pub(crate) per_segment: u32,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

impl Load {
    /// Of so many devices on so many connections, which take turns.
    fn new(arguments: &TelemetryArguments, devices: u32, connections: u32) -> Result<Self, Error> {
        let (per_segment, inflight) = (arguments.at_once(), arguments.inflight());
        if arguments.qos == 1 && per_segment > inflight {
            return Err(Error::SegmentBeyondWindow { per_segment, inflight });
        }
        if arguments.qos == 0 && arguments.closed {
            return Err(Error::NothingToWaitFor);
        }
        if arguments.numbered && (arguments.payload as usize) < numbering::BYTES {
            return Err(Error::NoRoomForNumber);
        }
        let per_second = per_second(arguments, devices)?;
        if let Some(per_second) = per_second {
            check_interval(per_second, per_segment, arguments.duration)?;
        }
        let cadence = |per_second| Cadence { devices: connections, per_second, per_segment };
        Ok(Self {
            cadence: per_second.map(cadence),
            qos: if arguments.qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce },
            payload: vec![b'.'; arguments.payload as usize],
            is_numbered: arguments.numbered,
            per_segment,
            warm_up: arguments.warm_up,
            duration: arguments.duration,
        })
    }

    /// Whether what happens at this time after the start of the load is measured.
    pub(crate) fn is_measured(&self, at: Duration) -> bool {
        (self.warm_up..self.warm_up + self.duration).contains(&at)
    }

    /// When the last message is due, after the start of the load.
    pub(crate) fn last(&self) -> Duration {
        self.warm_up + self.duration
    }
}

/// Messages per second of all devices; `None` for a closed loop.
fn per_second(arguments: &TelemetryArguments, devices: u32) -> Result<Option<u32>, Error> {
    let Some(per_device) = arguments.per_device else { return Ok(arguments.per_second) };
    let per_second = (per_device * f64::from(devices)).round();
    if (1.0..=f64::from(PER_SECOND_MAX)).contains(&per_second) {
        // In range, as was just checked.
        return Ok(Some(per_second as u32));
    }
    Err(Error::ImpossibleRate { per_device, devices })
}

/// Checks that something is due while it is measured.
fn check_interval(per_second: u32, per_segment: u32, duration: Duration) -> Result<(), Error> {
    let interval_s = f64::from(per_segment) / f64::from(per_second);
    let duration_s = duration.as_secs_f64();
    if interval_s <= duration_s {
        return Ok(());
    }
    Err(Error::NothingDue { per_segment, per_second, interval_s, duration_s })
}

/// A run.
pub(crate) struct Plan {
    pub(crate) target: SocketAddr,
    pub(crate) server: ServerName<'static>,
    pub(crate) tls: Arc<ClientConfig>,
    /// Filled and used by `tls`, where a storm wants that.
    pub(crate) tickets: Option<Arc<Tickets>>,
    pub(crate) schedule: Schedule,
    pub(crate) timeout: Duration,
    pub(crate) manner: Manner,
    pub(crate) fleet: Fleet,
    /// Devices that share a connection.
    pub(crate) gateway: u32,
    pub(crate) sources: Sources,
    /// When devices leave and come back, beside the work.
    pub(crate) churn: Option<Cadence>,
    /// What is said beside telemetry.
    pub(crate) conversation: Option<Conversation>,
    pub(crate) share: Share,
    pub(crate) work: Work,
}

impl Plan {
    /// Plans connections that are kept open.
    pub(crate) fn to_connect(arguments: &ConnectArguments) -> Result<Self, Error> {
        let fleet = fleet(&arguments.connections, 1)?;
        let work = Work::Hold(arguments.hold);
        let mut plan = Self::new(&arguments.connections, (fleet, 1), work, (1, 1))?;
        plan.turn_over(&arguments.connections, arguments.turnover);
        Ok(plan)
    }

    /// Plans connections that publish.
    pub(crate) fn to_publish(arguments: &TelemetryArguments) -> Result<Self, Error> {
        check_protocol(arguments)?;
        let gateway = arguments.gateway;
        let fleet = fleet(&arguments.connections, gateway)?;
        let load = Load::new(arguments, fleet.size(), fleet.size().div_ceil(gateway))?;
        let window = (arguments.inflight() as usize, arguments.at_once() as usize);
        let work = Work::Publish(load);
        let mut plan = Self::new(&arguments.connections, (fleet, gateway), work, window)?;
        plan.speak(arguments);
        plan.turn_over(&arguments.connections, arguments.turnover);
        plan.conversation = Conversation::new(&arguments.conversation);
        if plan.conversation.is_some() && plan.churn.is_some() {
            return Err(Error::NobodyToTalkTo);
        }
        if plan.conversation.is_some() && arguments.connections.target == Target::Mqtt {
            return Err(Error::NoHub);
        }
        Ok(plan)
    }

    /// Plans connections that are opened twice.
    pub(crate) fn to_storm(arguments: &StormArguments) -> Result<Self, Error> {
        let fleet = fleet(&arguments.connections, 1)?;
        let schedule = Schedule { rate: arguments.return_rate, count: fleet.size() };
        let work = Work::Storm(Storm { calm: arguments.calm, schedule });
        let mut plan = Self::new(&arguments.connections, (fleet, 1), work, (1, 1))?;
        if arguments.tickets {
            let tickets = Arc::new(Tickets::new(plan.size() as usize));
            let Connections { ca, certificate, .. } = &arguments.connections;
            plan.tls = client_config(ca, certificate.as_deref(), Some(Arc::clone(&tickets)))?;
            plan.tickets = Some(tickets);
        }
        Ok(plan)
    }

    /// Lets devices speak what they are to, where the hub understands it.
    fn speak(&mut self, arguments: &TelemetryArguments) {
        let host = &arguments.connections.host;
        match arguments.protocol {
            Protocol::Mqtt => {}
            Protocol::Amqp => {
                self.target.set_port(arguments.conversation.amqps_port.unwrap_or(AMQPS_PORT));
                self.manner.speech = Speech::Amqp(Arc::new(amqp_config(host)));
            }
            Protocol::Http => {
                self.target.set_port(arguments.connections.https_port.unwrap_or(HTTPS_PORT));
                let (host, is_batched) = (host.as_str().into(), arguments.batch.is_some());
                self.manner.speech = Speech::Http { host, is_batched };
            }
        }
    }

    /// Lets devices leave and come back.
    fn turn_over(&mut self, connections: &Connections, turnover: Turnover) {
        let devices = self.fleet.size();
        let cadence = |per_second| Cadence { devices, per_second, per_segment: 1 };
        self.churn = turnover.churn.map(cadence);
        self.sources = Sources::new(
            self.target.ip(),
            &connections.source,
            ports_each(turnover.churn, devices),
        );
    }

    /// Checks that there are ports for all connections.
    pub(crate) fn check_ports(&self) -> Result<(), Error> {
        let (size, churn) = (self.connections(), self.churn.map(|cadence| cadence.per_second));
        self.sources.check(size, ports_each(churn, size))
    }

    /// Descriptors that `connections` of one process need at most: in a storm the old ones may
    /// still be there when the new ones come, and of those that take turns a second's worth.
    /// The back end has its own.
    pub(crate) fn descriptors(&self, connections: u32) -> u32 {
        let again = match self.work {
            Work::Hold(_) | Work::Publish(_) => {
                self.churn.map_or(0, |cadence| cadence.per_second.min(connections))
            }
            Work::Storm(_) => connections,
        };
        let has_back_end = self.conversation.is_some_and(Conversation::has_back_end);
        let back_end = if has_back_end { Service::DESCRIPTORS_MAX } else { 0 };
        connections.saturating_add(again).saturating_add(back_end)
    }

    fn new(
        connections: &Connections,
        (fleet, gateway): (Fleet, u32),
        work: Work,
        (inflight_max, per_segment): (usize, usize),
    ) -> Result<Self, Error> {
        let Connections { host, address, port, rate, timeout, keep_alive, .. } = connections;
        let manner = Manner {
            keep_alive: *keep_alive,
            patience: *timeout,
            inflight_max,
            per_segment,
            speech: Speech::Mqtt,
        };
        let target = resolve(host, *address, *port)?;
        Ok(Self {
            target,
            sources: Sources::new(target.ip(), &connections.source, 1),
            churn: None,
            conversation: None,
            server: ServerName::try_from(host.clone())
                .map_err(|_| Error::HostName(host.clone()))?,
            tls: client_config(&connections.ca, connections.certificate.as_deref(), None)?,
            tickets: None,
            schedule: Schedule { rate: *rate, count: fleet.size().div_ceil(gateway) },
            timeout: *timeout,
            manner,
            fleet,
            gateway,
            share: connections.share.unwrap_or(Share::WHOLE),
            work,
        })
    }

    /// Connections of all processes.
    pub(crate) fn connections(&self) -> u32 {
        self.fleet.size().div_ceil(self.gateway)
    }

    /// Connections of this process.
    pub(crate) fn size(&self) -> u32 {
        self.share.size(self.connections())
    }

    /// Devices of connection `number` among those of all processes, by their numbers.
    pub(crate) fn devices_of(&self, number: u32) -> Range<u32> {
        let first = number * self.gateway;
        first..self.fleet.size().min(first.saturating_add(self.gateway))
    }

    /// How long tokens must be good from now on.
    pub(crate) fn token_life(&self) -> Duration {
        let work = match &self.work {
            Work::Hold(time) => *time,
            Work::Publish(load) => load.last(),
            Work::Storm(storm) => storm.calm + self.timeout + storm.schedule.last(),
        };
        self.schedule.last() + self.timeout + work + TOKEN_MARGIN
    }
}

/// Refuses what devices do not do over their protocol.
fn check_protocol(arguments: &TelemetryArguments) -> Result<(), Error> {
    let protocol = arguments.protocol;
    if arguments.gateway > 1 && protocol != Protocol::Amqp {
        return Err(Error::NotShared);
    }
    match arguments.batch {
        Some(_) if protocol != Protocol::Http => return Err(Error::NotBatched),
        Some(messages) => {
            let bytes = batch_bytes(messages, arguments.payload);
            if bytes > D2C_MESSAGE_BYTES_MAX as u64 {
                return Err(Error::BatchTooLarge { messages, bytes });
            }
        }
        None => {}
    }
    if protocol == Protocol::Mqtt {
        return Ok(());
    }
    let is_mqtt_only = [
        ("--target mqtt", arguments.connections.target == Target::Mqtt),
        ("--qos 0", arguments.qos == 0),
        ("--churn", arguments.turnover.churn.is_some()),
        ("a conversation", Conversation::new(&arguments.conversation).is_some()),
    ];
    if protocol == Protocol::Amqp && arguments.connections.certificate.is_some() {
        return Err(Error::OverMqttOnly { what: "--certificate", protocol });
    }
    let found = is_mqtt_only.into_iter().find(|(_, is_asked_for)| *is_asked_for);
    found.map_or(Ok(()), |(what, _)| Err(Error::OverMqttOnly { what, protocol }))
}

/// What all connections over AMQP say.
fn amqp_config(host: &str) -> AmqpConfig {
    let (container_id, hostname) = ("ringhub-loadgen".into(), Some(host.into()));
    AmqpConfig { container_id, hostname, ..AmqpConfig::default() }
}

/// Devices of a policy, of a file, or without credentials: so many for each connection.
fn fleet(connections: &Connections, gateway: u32) -> Result<Fleet, Error> {
    let Connections { host, connections: count, device_prefix, .. } = connections;
    let devices = u64::from(count.unwrap_or(1)) * u64::from(gateway);
    if gateway > 1 && devices > DEVICES_PER_HUB_MAX {
        let connections = count.unwrap_or(1);
        return Err(Error::TooManyDevices { connections, gateway, devices });
    }
    let count = &count.map(|count| count.saturating_mul(gateway));
    if connections.target == Target::Mqtt {
        return Ok(Fleet::of_names(device_prefix, *count)?);
    }
    if connections.certificate.is_some() {
        return Ok(Fleet::of_certificate(host, device_prefix, *count)?);
    }
    if let (Some(name), Some(key)) = (&connections.policy, &connections.key) {
        return Ok(Fleet::of_policy(host, (name, key), device_prefix, *count)?);
    }
    let file = connections.devices.as_ref().ok_or(Error::NoCredentials)?;
    Ok(Fleet::from_file(host, file, *count)?)
}

/// Where a server is: at `address` if that is known, else where its name leads.
pub(crate) fn resolve(host: &str, address: Option<IpAddr>, port: u16) -> Result<SocketAddr, Error> {
    if let Some(address) = address.or_else(|| host.parse::<IpAddr>().ok()) {
        return Ok(SocketAddr::new(address, port));
    }
    let unresolved = |source| Error::Resolve { host: host.to_owned(), source };
    let mut addresses = (host, port).to_socket_addrs().map_err(unresolved)?;
    addresses.next().ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))
}
