//! `ringhub monitor-events`.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ringhub_core::id::ConsumerGroup;
use ringhub_core::session::amqp::LinkId;
use serde_json::Value;

use super::azure_words::LibraryWords;
use super::error::CliError;
use super::event::Event;
use super::output::{Format, Output, line};
use super::target::TargetArguments;
use crate::client::amqp::{AmqpClient, AmqpFact};
use crate::client::management::partition_ids;
use crate::client::start::{Start, parse_enqueued_time};
use crate::client::{ClientError, Interrupt, Pages, RestClient, Target};

/// Events that the hub may send ahead, per partition.
const CREDIT: u32 = 500;

/// How soon a signal is noticed.
const TICK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  ringhub monitor-events                              what arrives from now on, until Ctrl-C or
                                                      until nothing came for five minutes
  ringhub monitor-events --timeout 0                  until Ctrl-C
  ringhub monitor-events -d 'pump-*' --output json    of some devices, with all properties
  ringhub monitor-events --enqueued-time 0            everything that is retained, too
  ringhub monitor-events -e 2026-11-23T06:00:00Z --message-count 10
  ringhub monitor-events -q 'SELECT * FROM devices WHERE tags.site = \"north\"'";

/// Show the telemetry of devices as it arrives
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct MonitorEvents {
    /// Of this device only; `*` stands for anything, `?` for one character
    #[arg(long, short, value_name = "ID")]
    device_id: Option<String>,
    /// Of this module only; `*` and `?` as for devices
    #[arg(long, short, value_name = "ID")]
    module_id: Option<String>,
    /// Of the devices that this query finds
    #[arg(long, short = 'q', value_name = "QUERY")]
    device_query: Option<String>,
    /// Of this interface only, such as dtmi:com:example:Thermostat;1
    #[arg(long, short, value_name = "DTMI")]
    interface: Option<String>,
    /// Consumer group to read as
    #[arg(long, short, visible_alias = "cg", value_name = "NAME", default_value = ConsumerGroup::DEFAULT)]
    consumer_group: String,
    /// Begin with events of this time: milliseconds since 1970, or 2026-11-23T06:00:00Z [default:
    /// now]
    #[arg(long, short, visible_alias = "et", value_name = "TIME", value_parser = parse_enqueued_time)]
    enqueued_time: Option<i64>,
    /// End after this many events
    #[arg(long = "message-count", visible_aliases = ["mc", "count"], value_name = "N")]
    count: Option<u64>,
    /// End after this many seconds without an event; 0 for never
    #[arg(long, short, visible_alias = "to", value_name = "SECONDS", default_value_t = 300.0, value_parser = super::seconds)]
    timeout: f64,
    /// Read bodies as this type, such as application/json, whatever the messages say
    #[arg(long, visible_alias = "ct", value_name = "TYPE")]
    content_type: Option<String>,
    /// Properties to show with -o json [default: all]
    #[arg(long, short, visible_alias = "props", value_enum, ignore_case = true, value_name = "KIND", num_args = 1..)]
    properties: Vec<Shown>,
    #[command(flatten)]
    library: LibraryWords,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

/// What is shown of an event besides its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// Those that every message may have
    Sys,
    /// Those of the application
    App,
    /// Those that the hub adds
    Anno,
    /// All
    All,
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
    /// The devices that are wanted, if a query has said which.
    devices: Option<HashSet<String>>,
    client: AmqpClient,
    links: HashMap<LinkId, PartitionLink>,
    shown: u64,
    last: Instant,
}

impl MonitorEvents {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let interrupt = Interrupt::install()?;
        let target = self.target.target()?;
        if self.target.names_resource_group() {
            eprintln!("to read as a consumer group, say --consumer-group or -c");
        }
        let mut monitor = Monitor::open(self, &target)?;
        if self.output.or(Format::Table) == Format::Table {
            eprintln!("reading {} partitions; Ctrl-C ends", monitor.links.len());
        }
        while !interrupt.is_set() && !monitor.is_done() {
            monitor.turn()?;
        }
        if self.is_silent(monitor.last) {
            eprintln!("no event for {} s; --timeout 0 goes on for ever", self.timeout);
        }
        Ok(monitor.client.close()?)
    }

    fn is_silent(&self, last: Instant) -> bool {
        self.timeout > 0.0 && last.elapsed().as_secs_f64() >= self.timeout
    }

    fn wants(&self, event: &Event) -> bool {
        let device = self.device_id.as_ref().is_none_or(|wanted| matches(wanted, &event.device));
        let module = event.module.as_deref().unwrap_or_default();
        let module = self.module_id.as_ref().is_none_or(|wanted| matches(wanted, module));
        device && module && self.interface.as_deref().is_none_or(|of| event.interface() == Some(of))
    }

    fn shows(&self, kind: Shown) -> bool {
        let named = &self.properties;
        named.is_empty() || named.contains(&kind) || named.contains(&Shown::All)
    }

    /// The devices that the query finds; `None` without one.
    fn devices(&self, target: &Target) -> Result<Option<HashSet<String>>, ClientError> {
        let Some(query) = &self.device_query else { return Ok(None) };
        let mut devices = HashSet::new();
        for page in Pages::of_query(&RestClient::new(target), query, u64::MAX) {
            let rows = page?;
            let ids = rows.iter().filter_map(|row| row["deviceId"].as_str());
            devices.extend(ids.map(ToOwned::to_owned));
        }
        Ok(Some(devices))
    }

    fn show(&self, event: &Event) -> io::Result<()> {
        if self.output.or(Format::Table) == Format::Table {
            return line(&event.line());
        }
        let mut json = event.json();
        let mut hide = |kind, path, name: &str| {
            let members = json.pointer_mut(path).and_then(Value::as_object_mut);
            if let Some(members) = members.filter(|_| !self.shows(kind)) {
                members.remove(name);
            }
        };
        hide(Shown::Anno, "/event", "annotations");
        hide(Shown::Sys, "/event/properties", "system");
        hide(Shown::App, "/event/properties", "application");
        line(&json.to_string())
    }
}

/// Whether `id` is `wanted`, in which `*` stands for anything and `?` for one character.
fn matches(wanted: &str, id: &str) -> bool {
    let mut characters = wanted.chars();
    match characters.next() {
        None => id.is_empty(),
        Some('*') => {
            let rest = characters.as_str();
            let mut ends = id.char_indices().map(|(at, _)| at).chain([id.len()]);
            ends.any(|at| matches(rest, &id[at..]))
        }
        Some(character) => {
            let mut left = id.chars();
            let next = left.next();
            let fits = next.is_some_and(|next| character == '?' || next == character);
            fits && matches(characters.as_str(), left.as_str())
        }
    }
}

impl<'a> Monitor<'a> {
    /// Attaches to every partition; returns when the hub has answered for all.
    fn open(arguments: &'a MonitorEvents, target: &Target) -> Result<Self, ClientError> {
        let devices = arguments.devices(target)?;
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
        Ok(Self { arguments, devices, client, links, shown: 0, last: Instant::now() })
    }

    fn is_done(&self) -> bool {
        let enough = self.arguments.count.is_some_and(|count| self.shown >= count);
        enough || self.arguments.is_silent(self.last)
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
        let content_type = self.arguments.content_type.as_deref();
        let Some(event) = Event::decode(&payload, &link.partition, content_type) else {
            return Err(ClientError::Protocol("an event".to_owned()).into());
        };
        let is_found = self.devices.as_ref().is_none_or(|found| found.contains(&event.device));
        if is_found && self.arguments.wants(&event) {
            (self.shown, self.last) = (self.shown + 1, Instant::now());
            self.arguments.show(&event)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_what_is_not_said() {
        for (wanted, id, expected) in [
            ("pump-7", "pump-7", true),
            ("pump-7", "pump-70", false),
            ("pump-*", "pump-70", true),
            ("*", "x", true),
            ("pump-*", "fan", false),
            ("*-7", "pump-7", true),
            ("p?mp-*7*", "pümp-170", true),
            ("p?mp", "pmp", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(wanted, id), expected, "{wanted} {id}");
        }
    }
}
