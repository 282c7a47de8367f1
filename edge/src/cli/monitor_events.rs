//! `ringhub monitor-events`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use clap::Args;
use ringhub_core::id::ConsumerGroup;
use ringhub_core::session::amqp::LinkId;

use super::error::CliError;
use super::event::Event;
use super::output::{Format, Output, line};
use super::target::TargetArguments;
use crate::client::amqp::{AmqpClient, AmqpFact};
use crate::client::management::partition_ids;
use crate::client::start::{Start, parse_enqueued_time};
use crate::client::{ClientError, Interrupt, Target};

/// Events that the hub may send ahead, per partition.
const CREDIT: u32 = 500;

/// How soon a signal is noticed.
const TICK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  ringhub monitor-events                              what arrives from now on, until Ctrl-C
  ringhub monitor-events -d 'pump-*' --output json    of some devices, with all properties
  ringhub monitor-events --enqueued-time 0            everything that is retained, too
  ringhub monitor-events -e 2026-11-23T06:00:00Z --count 10
  ringhub monitor-events --timeout 30                 until nothing came for half a minute";

/// Show the telemetry of devices as it arrives
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct MonitorEvents {
    /// Of this device only; `*` at the end stands for anything
    #[arg(long, short, value_name = "ID")]
    device_id: Option<String>,
    /// Of this module only
    #[arg(long, short, value_name = "ID")]
    module_id: Option<String>,
    /// Consumer group to read as
    #[arg(long, short = 'g', value_name = "NAME", default_value = ConsumerGroup::DEFAULT)]
    consumer_group: String,
    /// Begin with events of this time: milliseconds since 1970, or 2026-11-23T06:00:00Z [default:
    /// now]
    #[arg(long, short, value_name = "TIME", value_parser = parse_enqueued_time)]
    enqueued_time: Option<i64>,
    /// End after this many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after this many seconds without an event
    #[arg(long, short, value_name = "SECONDS", value_parser = super::seconds)]
    timeout: Option<f64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

/// A link to one partition.
struct PartitionLink {
    partition: String,
    /// Events since credit was given.
    received: u32,
}

/// The reading of all partitions.
struct Monitor<'a> {
    arguments: &'a MonitorEvents,
    client: AmqpClient,
    links: HashMap<LinkId, PartitionLink>,
    shown: u64,
    last: Instant,
}

impl MonitorEvents {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let interrupt = Interrupt::install()?;
        let target = self.target.target()?;
        let mut monitor = Monitor::open(self, &target)?;
        if self.output.or(Format::Table) == Format::Table {
            eprintln!("reading {} partitions; Ctrl-C ends", monitor.links.len());
        }
        while !interrupt.is_set() && !monitor.is_done() {
            monitor.turn()?;
        }
        Ok(monitor.client.close()?)
    }

    fn wants(&self, event: &Event) -> bool {
        let device = self.device_id.as_ref().is_none_or(|wanted| matches(wanted, &event.device));
        let module = self.module_id.as_ref();
        device && module.is_none_or(|wanted| event.module.as_ref() == Some(wanted))
    }
}

/// Whether `id` is `wanted`, or begins with what stands before a final `*`.
fn matches(wanted: &str, id: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => id.starts_with(beginning) || id == wanted,
        None => id == wanted,
    }
}

impl<'a> Monitor<'a> {
    /// Attaches to every partition; returns when the hub has answered for all.
    fn open(arguments: &'a MonitorEvents, target: &Target) -> Result<Self, ClientError> {
        let mut client = AmqpClient::connect(target)?;
        let entity = &target.event_hub;
        let partitions = partition_ids(&mut client, entity)?;
        let start = arguments.enqueued_time.map_or(Start::Latest, Start::EnqueuedAt);
        let selector = start.selector();
        let mut links = HashMap::new();
        for partition in partitions {
            let group = &arguments.consumer_group;
            let address = format!("{entity}/ConsumerGroups/{group}/Partitions/{partition}");
            let link = client.attach_receiver(&address, Some(&selector))?;
            client.wait_for(|fact| (*fact == AmqpFact::Attached(link)).then_some(()))?;
            links.insert(link, PartitionLink { partition, received: 0 });
        }
        links.keys().for_each(|link| client.grant_credit(*link, CREDIT));
        Ok(Self { arguments, client, links, shown: 0, last: Instant::now() })
    }

    fn is_done(&self) -> bool {
        let enough = self.arguments.count.is_some_and(|count| self.shown >= count);
        let silence = self.last.elapsed().as_secs_f64();
        enough || self.arguments.timeout.is_some_and(|timeout| silence >= timeout)
    }

    /// Shows what comes within a tick.
    fn turn(&mut self) -> Result<(), CliError> {
        let Some(AmqpFact::Message { delivery, payload, .. }) = self.client.next(TICK)? else {
            return Ok(());
        };
        let Some(link) = self.links.get_mut(&delivery.link) else { return Ok(()) };
        link.received += 1;
        if link.received >= CREDIT / 2 {
            self.client.grant_credit(delivery.link, link.received);
            link.received = 0;
        }
        let Some(event) = Event::decode(&payload, &link.partition) else {
            return Err(ClientError::Protocol("an event".to_owned()).into());
        };
        if self.arguments.wants(&event) {
            (self.shown, self.last) = (self.shown + 1, Instant::now());
            match self.arguments.output.or(Format::Table) {
                Format::Table => line(&event.line())?,
                Format::Json => line(&event.json().to_string())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_stands_for_anything() {
        for (wanted, id, expected) in [
            ("pump-7", "pump-7", true),
            ("pump-7", "pump-70", false),
            ("pump-*", "pump-70", true),
            ("*", "x", true),
            ("pump-*", "fan", false),
        ] {
            assert_eq!(matches(wanted, id), expected, "{wanted} {id}");
        }
    }
}
