//! One simulated device on a thread of its own.

use std::thread;
use std::time::{Duration, Instant};

use flume::Sender;
use serde_json::json;

use super::super::identity::Identity;
use super::super::login::events_topic;
use super::note::Note;
use crate::client::mqtt::{MqttClient, MqttFact};
use crate::client::{ClientError, Credential, Interrupt, Target};

const METHODS: &str = "$iothub/methods/POST/";
const TWIN_ANSWERS: &str = "$iothub/twin/res/";
const REPORT: &str = "$iothub/twin/PATCH/properties/reported/?$rid=2";
const DESIRED_CHANGES: &str = "$iothub/twin/PATCH/properties/desired/";

/// How soon a signal is noticed.
const TICK: Duration = Duration::from_millis(200);

/// Time before a lost connection is made anew.
const BACK_OFF: Duration = Duration::from_secs(2);

/// What all devices do.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    /// Time between two messages.
    pub(super) interval: Duration,
    /// Messages in all, if there is an end.
    pub(super) messages: Option<u64>,
    /// What is sent; made up when absent.
    pub(super) data: Option<String>,
    /// Properties of each message, encoded.
    pub(super) properties: String,
    /// The model that is announced at connect.
    pub(super) model_id: Option<String>,
    /// What is reported after connect, as JSON.
    pub(super) reported: Option<String>,
    /// How methods are answered.
    pub(super) method_status: i32,
    /// With what.
    pub(super) method_payload: String,
}

/// A device that has its key.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) identity: Identity,
    pub(super) credential: Credential,
}

/// A connected device at work.
struct Running<'a> {
    device: &'a Device,
    behaviour: &'a Behaviour,
    client: MqttClient,
    notes: &'a Sender<Note>,
}

impl Device {
    /// Runs until all is sent or the user stops it; makes lost connections anew.
    pub(super) fn run(
        &self,
        target: &Target,
        behaviour: &Behaviour,
        interrupt: &Interrupt,
        notes: &Sender<Note>,
    ) {
        let device = || self.identity.device.clone();
        let mut sent = 0;
        let mut has_connected = false;
        let note = loop {
            let connected =
                MqttClient::connect(target, &self.credential, behaviour.model_id.as_deref());
            let result = connected.and_then(|client| {
                has_connected = true;
                Running { device: self, behaviour, client, notes }.run(&mut sent, interrupt)
            });
            match result {
                Ok(()) => break Note::Done { device: device(), sent },
                Err(ClientError::LoginRefused { .. }) if has_connected => {
                    let error = "is not let in any more: disabled, deleted, or with another key";
                    break Note::Failed { device: device(), error: error.to_owned() };
                }
                Err(error) if !has_connected => {
                    break Note::Failed { device: device(), error: error.to_string() };
                }
                Err(error) => {
                    // When nobody listens any more, the command is at its end.
                    let _ = notes.send(Note::Lost { device: device(), why: error.to_string() });
                    thread::sleep(BACK_OFF);
                }
            }
            if interrupt.is_set() {
                break Note::Done { device: device(), sent };
            }
        };
        let _ = notes.send(note);
    }
}

impl Running<'_> {
    fn run(mut self, sent: &mut u64, interrupt: &Interrupt) -> Result<(), ClientError> {
        let id = &self.device.identity.device;
        self.tell(Note::Connected { device: id.clone() });
        let messages = format!("devices/{id}/messages/devicebound/#");
        let filters = [
            messages.as_str(),
            "$iothub/methods/POST/#",
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
        ];
        self.client.subscribe(&filters)?;
        let mut next = Instant::now();
        while !interrupt.is_set() && !self.is_done(*sent) {
            let is_due = Instant::now() >= next && self.has_more(*sent);
            if is_due && self.publish(*sent)? {
                *sent += 1;
                next = Instant::now() + self.behaviour.interval;
            }
            let left = next.saturating_duration_since(Instant::now());
            if let Some(fact) = self.client.next(left.min(TICK))? {
                self.handle(fact)?;
            }
        }
        self.client.disconnect()
    }

    fn has_more(&self, sent: u64) -> bool {
        self.behaviour.messages.is_none_or(|messages| sent < messages)
    }

    /// A device that is to send nothing stays until it is stopped.
    fn is_done(&self, sent: u64) -> bool {
        let is_sender = self.behaviour.messages != Some(0);
        is_sender && !self.has_more(sent) && self.client.inflight() == 0
    }

    fn publish(&mut self, number: u64) -> Result<bool, ClientError> {
        let topic = events_topic(&self.device.identity);
        let topic = format!("{topic}{}", self.behaviour.properties);
        let payload = match &self.behaviour.data {
            Some(data) => data.clone(),
            // Rises and falls within a hundred messages, around 20 degrees.
            None => {
                let phase = (number % 100) as f64 / 100.0 * std::f64::consts::TAU;
                let temperature = (200.0 + 50.0 * phase.sin()).round() / 10.0;
                json!({ "number": number, "temperature": temperature }).to_string()
            }
        };
        self.client.publish(&topic, payload.as_bytes(), number)
    }

    fn handle(&mut self, fact: MqttFact) -> Result<(), ClientError> {
        match fact {
            MqttFact::Acknowledged(_) => Ok(()),
            MqttFact::Subscribed => {
                self.client.publish_unacknowledged("$iothub/twin/GET/?$rid=1", b" ")?;
                match &self.behaviour.reported {
                    Some(reported) => {
                        self.client.publish_unacknowledged(REPORT, reported.as_bytes()).map(drop)
                    }
                    None => Ok(()),
                }
            }
            MqttFact::Message { topic, payload } => self.handle_message(&topic, payload),
        }
    }

    /// Source: device-endpoints reference 2.8, 2.10, 2.11.
    fn handle_message(&mut self, topic: &str, payload: Vec<u8>) -> Result<(), ClientError> {
        let device = self.device.identity.device.clone();
        if let Some(call) = topic.strip_prefix(METHODS) {
            let (name, rid) = call.split_once("/?$rid=").unwrap_or((call, ""));
            let answer =
                format!("$iothub/methods/res/{}/?$rid={rid}", self.behaviour.method_status);
            let body = self.behaviour.method_payload.as_bytes();
            self.client.publish_unacknowledged(&answer, body)?;
            self.tell(Note::Method { device, name: name.to_owned(), payload });
        } else if let Some(answer) = topic.strip_prefix(TWIN_ANSWERS) {
            let (status, parameters) = answer.split_once('/').unwrap_or((answer, ""));
            if status == "200" {
                self.tell(Note::Desired { device, payload });
            } else if parameters.starts_with("?$rid=2") {
                self.tell(Note::Reported { device, status: status.to_owned() });
            }
        } else if topic.starts_with(DESIRED_CHANGES) {
            self.tell(Note::Desired { device, payload });
        } else {
            let properties = topic.split("/devicebound/").nth(1).unwrap_or_default().to_owned();
            self.tell(Note::Message { device, properties, payload });
        }
        Ok(())
    }

    fn tell(&self, note: Note) {
        // When nobody listens any more, the command is at its end.
        let _ = self.notes.send(note);
    }
}
