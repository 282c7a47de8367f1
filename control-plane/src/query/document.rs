//! One twin as queries see it: what is stored of it, and what is true of it now.

use std::borrow::Cow;
use std::cell::OnceCell;

use ringhub_core::id::{HubId, Identity};
use serde_json::json;

use super::json_text;
use super::path::{Member, Path, Segment};
use super::value::{Value, Values};
use crate::api::{TwinJson, authentication_json, connection_state, twin_time_text};
use crate::credentials::Credentials;
use crate::directory::{Directory, IdentityRef, Presence, Status};
use crate::registry::Device;
use crate::store::{SectionName, StoreError, StoredTwin};
use crate::twin::TwinOwner;

/// A row of the store, seen together with the directory.
#[derive(Debug)]
pub(super) struct Document<'r> {
    hub: HubId,
    directory: &'r Directory,
    pub(super) stored: &'r StoredTwin<'r>,
    /// Read when the first member of the identity is asked for.
    owner: OnceCell<TwinOwner>,
}

impl Values for Document<'_> {
    fn value(&self, path: &Path) -> Result<Value<'_>, StoreError> {
        Ok(match self.find(path)? {
            Found::Nothing => Value::Undefined,
            Found::Json(json) => Value::from_json(json),
            Found::Text(text) => Value::Text(text),
            Found::Count(count) => Value::Number(count as f64),
        })
    }
}

/// What is at the end of a path.
enum Found<'d> {
    Nothing,
    Json(Cow<'d, str>),
    Text(Cow<'d, str>),
    Count(u64),
}

impl<'r> Document<'r> {
    pub(super) fn new(hub: HubId, directory: &'r Directory, stored: &'r StoredTwin<'r>) -> Self {
        Self { hub, directory, stored, owner: OnceCell::new() }
    }

    /// The JSON of the value that a path leads to; `None` when there is none.
    pub(super) fn json(&self, path: &Path) -> Result<Option<Cow<'_, str>>, StoreError> {
        Ok(match self.find(path)? {
            Found::Nothing => None,
            Found::Json(json) => Some(json),
            Found::Text(text) => Some(serde_json::Value::from(text).to_string().into()),
            Found::Count(count) => Some(count.to_string().into()),
        })
    }

    /// The JSON of the whole twin, as it is read by its id.
    pub(super) fn whole(&self) -> Result<String, StoreError> {
        let twin = self.stored.twin()?;
        let owner = self.owner()?;
        let identity = owner.identity();
        let configurations = self.stored.configurations()?;
        let json = TwinJson::new(self.directory, self.hub, &identity, owner, &twin)
            .with_configurations(configurations);
        serde_json::to_string(&json).map_err(|_| StoreError::Column("a section of a twin"))
    }

    fn find(&self, path: &Path) -> Result<Found<'_>, StoreError> {
        let rest = path.rest.as_slice();
        match path.member {
            Member::Tags => self.tags(rest),
            Member::Desired => self.section(SectionName::Desired, rest),
            Member::Reported => self.section(SectionName::Reported, rest),
            Member::Properties if rest.is_empty() => self.properties(),
            Member::X509Thumbprint => {
                let json = authentication_json(self.owner()?.credentials());
                Ok(below(json["x509Thumbprint"].to_string(), rest))
            }
            Member::Capabilities => {
                let iot_edge = self.device()?.is_some_and(|device| device.iot_edge);
                Ok(below(json!({ "iotEdge": iot_edge }).to_string(), rest))
            }
            Member::ParentScopes => Ok(match self.device()? {
                Some(Device { parent_scope: Some(scope), .. }) => {
                    below(json!([scope]).to_string(), rest)
                }
                _ => Found::Nothing,
            }),
            Member::Configurations => Ok(match self.stored.configurations()? {
                Some(json) => below_stored(json, rest),
                None => Found::Nothing,
            }),
            // A primitive has nothing below it.
            _ if !rest.is_empty() => Ok(Found::Nothing),
            member => self.primitive(member),
        }
    }

    fn primitive(&self, member: Member) -> Result<Found<'_>, StoreError> {
        let text = |text: &'static str| Found::Text(text.into());
        let name = IdentityRef { device: self.stored.device, module: self.stored.module };
        let presence = || self.directory.presence(self.hub, name).unwrap_or_default();
        Ok(match member {
            Member::DeviceId => Found::Text(name.device.into()),
            Member::ModuleId => name.module.into(),
            Member::ETag => Found::Text(self.stored.etag()?.text().into()),
            Member::DeviceETag => Found::Text(self.owner()?.etag().text().into()),
            Member::Status => text(self.status()?),
            Member::StatusReason => {
                self.device()?.and_then(|device| device.status_reason.as_deref()).into()
            }
            Member::StatusUpdateTime => {
                let time = self.device()?.and_then(|device| device.status_updated);
                Found::Text(twin_time_text(time).into())
            }
            Member::ConnectionState => text(connection_state(presence())),
            Member::LastActivityTime => {
                let Presence { last_activity, .. } = presence();
                Found::Text(twin_time_text(last_activity).into())
            }
            Member::CloudToDeviceMessageCount => {
                let identity = self.owner()?.identity();
                Found::Count(self.directory.queued_messages(self.hub, &identity) as u64)
            }
            Member::AuthenticationType => text(match self.owner()?.credentials() {
                Credentials::Keys(_) => "sas",
                Credentials::Thumbprints(_) => "selfSigned",
                Credentials::CertificateAuthority => "certificateAuthority",
                Credentials::None => "none",
            }),
            Member::ModelId => {
                let model = self.directory.model(self.hub, name).unwrap_or_default();
                Found::Text(String::from(model).into())
            }
            Member::Version => {
                Found::Count(self.stored.etag()?.0 + self.stored.version(SectionName::Reported)?)
            }
            Member::DeviceScope => {
                self.device()?.and_then(|device| device.device_scope.as_deref()).into()
            }
            Member::Tags
            | Member::Properties
            | Member::Desired
            | Member::Reported
            | Member::X509Thumbprint
            | Member::Capabilities
            | Member::ParentScopes
            | Member::OfJob(_)
            | Member::Configurations
            | Member::Unknown => Found::Nothing,
        })
    }

    fn status(&self) -> Result<&'static str, StoreError> {
        let is_disabled = self.device()?.is_some_and(|device| device.status == Status::Disabled);
        Ok(if is_disabled { "disabled" } else { "enabled" })
    }

    /// Tags that are empty are not there.
    fn tags(&self, rest: &[Segment]) -> Result<Found<'_>, StoreError> {
        let tags = self.stored.tags()?;
        Ok(if rest.is_empty() && tags == "{}" { Found::Nothing } else { below_stored(tags, rest) })
    }

    /// Properties are found in what is stored; their metadata have to be made first.
    fn section(&self, section: SectionName, rest: &[Segment]) -> Result<Found<'_>, StoreError> {
        let is_stored = match rest.first() {
            Some(Segment::Name(name)) => match name.as_str() {
                "$version" if rest.len() == 1 => {
                    return Ok(Found::Count(self.stored.version(section)?));
                }
                name => name != "$metadata",
            },
            Some(Segment::Index(_)) => return Ok(Found::Nothing),
            None => false,
        };
        if is_stored {
            return Ok(below_stored(self.stored.properties(section)?, rest));
        }
        Ok(below(self.section_json(section)?, rest))
    }

    fn properties(&self) -> Result<Found<'_>, StoreError> {
        let [desired, reported] =
            [self.section_json(SectionName::Desired)?, self.section_json(SectionName::Reported)?];
        let json = format!("{{\"desired\":{desired},\"reported\":{reported}}}");
        Ok(Found::Json(json.into()))
    }

    fn section_json(&self, section: SectionName) -> Result<String, StoreError> {
        let section = self.stored.section(section)?;
        let json = serde_json::to_string(&section.view());
        json.map_err(|_| StoreError::Column("a section of a twin"))
    }

    fn owner(&self) -> Result<&TwinOwner, StoreError> {
        if let Some(owner) = self.owner.get() {
            return Ok(owner);
        }
        let owner = self.stored.owner()?;
        Ok(self.owner.get_or_init(|| owner))
    }

    fn device(&self) -> Result<Option<&Device>, StoreError> {
        Ok(match self.owner()? {
            TwinOwner::Device(device) => Some(device),
            TwinOwner::Module(_) => None,
        })
    }
}

fn below_stored<'d>(json: &'d str, rest: &[Segment]) -> Found<'d> {
    json_text::find(json, rest).map_or(Found::Nothing, |json| Found::Json(json.into()))
}

fn below<'d>(json: String, rest: &[Segment]) -> Found<'d> {
    if rest.is_empty() {
        return Found::Json(json.into());
    }
    let found = json_text::find(&json, rest);
    found.map_or(Found::Nothing, |json| Found::Json(json.to_owned().into()))
}

impl<'d> From<Option<&'d str>> for Found<'d> {
    fn from(text: Option<&'d str>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(text.into()))
    }
}

impl TwinOwner {
    fn credentials(&self) -> &Credentials {
        match self {
            Self::Device(device) => &device.credentials,
            Self::Module(module) => &module.credentials,
        }
    }

    fn etag(&self) -> crate::registry::ETag {
        match self {
            Self::Device(device) => device.etag,
            Self::Module(module) => module.etag,
        }
    }

    fn identity(&self) -> Identity {
        match self {
            Self::Device(device) => Identity { device: device.id.clone(), module: None },
            Self::Module(module) => {
                Identity { device: module.device.clone(), module: Some(module.id.clone()) }
            }
        }
    }
}
