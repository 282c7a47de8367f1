//! Patches as they come from back ends and devices.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::document::Mode;
use super::error::{TwinError, TwinProblem};
use super::patch_value::{PatchMembers, PatchValue};
use crate::codec::json_text;

/// What the hub itself writes into a section.
const OWN_MEMBERS: [&str; 2] = ["$metadata", "$version"];

/// What a request says about one section.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Part {
    /// Nothing: it stays as it is.
    #[default]
    Absent,
    /// `null`: it becomes empty.
    Clear,
    /// These members.
    Given(Map<String, Value>),
}

/// A change that a back end asks for; the rules are checked when it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceChange {
    /// Whether parts are merged or take the place of what is there.
    pub mode: Mode,
    /// Tags.
    pub tags: Part,
    /// Desired properties.
    pub desired: Part,
}

impl ServiceChange {
    /// Reads the body of a PATCH or PUT. Members that are the hub's are passed over, because tools
    /// send back whole twins.
    ///
    /// # Errors
    /// [`TwinError`] when the body or a section is no object.
    pub fn parse(mode: Mode, body: &[u8]) -> Result<Self, TwinError> {
        Self::of(mode, object(body).map_err(|error| error.within("body"))?)
    }

    /// As [`parse`](Self::parse), from a body that is read already, with its integers
    /// [clamped](json_text::clamp_integers).
    ///
    /// # Errors
    /// [`TwinError`] when a section is no object.
    pub fn of(mode: Mode, mut body: Map<String, Value>) -> Result<Self, TwinError> {
        let tags = part(take(&mut body, "tags")).map_err(|error| error.within("tags"))?;
        let desired = match take(&mut body, "properties") {
            None | Some(Value::Null) => Part::Absent,
            Some(Value::Object(mut properties)) => part(take(&mut properties, "desired"))
                .map_err(|error| error.within("desired").within("properties"))?,
            Some(_) => return Err(not_an_object().within("properties")),
        };
        Ok(Self { mode, tags, desired })
    }
}

/// A change of reported properties that a device asks for, in the bytes that it sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedPatch<'p>(pub(super) PatchMembers<'p>);

impl<'p> ReportedPatch<'p> {
    /// Reads the payload of a patch.
    ///
    /// # Errors
    /// [`TwinError`] when it is no object.
    pub fn parse(payload: &'p [u8]) -> Result<Self, TwinError> {
        let not_json = || TwinError::new(TwinProblem::NotJson).within("body");
        // One look at all bytes costs less than one at each text.
        let payload = str::from_utf8(json_text::trim(payload)).map_err(|_| not_json())?;
        let parsed = match json_text::clamp_integers(payload) {
            Cow::Borrowed(payload) => serde_json::from_str(payload),
            Cow::Owned(payload) => serde_json::from_str::<Value>(&payload).map(PatchValue::from),
        };
        match parsed {
            Ok(PatchValue::Object(members)) => Ok(Self(members.without(&OWN_MEMBERS))),
            Ok(_) => Err(not_an_object().within("body")),
            Err(_) => Err(not_json()),
        }
    }
}

fn object(json: &[u8]) -> Result<Map<String, Value>, TwinError> {
    let text = str::from_utf8(json_text::trim(json));
    let text = text.map_err(|_| TwinError::new(TwinProblem::NotJson))?;
    match serde_json::from_str(&json_text::clamp_integers(text)) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(not_an_object()),
        Err(_) => Err(TwinError::new(TwinProblem::NotJson)),
    }
}

fn part(value: Option<Value>) -> Result<Part, TwinError> {
    match value {
        None => Ok(Part::Absent),
        Some(Value::Null) => Ok(Part::Clear),
        Some(Value::Object(members)) => Ok(Part::Given(without_own(members))),
        Some(_) => Err(not_an_object()),
    }
}

/// Drops what the hub itself writes into a section.
fn without_own(mut members: Map<String, Value>) -> Map<String, Value> {
    members.retain(|name, _| !OWN_MEMBERS.contains(&name.as_str()));
    members
}

/// Takes the member whose name is `name` but for case.
fn take(members: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = members.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    members.remove(&key)
}

const fn not_an_object() -> TwinError {
    TwinError::new(TwinProblem::NotAnObject)
}
