//! The whole twin of one identity.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::error::TwinError;
use super::patch::{Part, ReportedPatch, ServiceChange};
use super::patch_value::PatchMembers;
use super::section::{Section, check_content, check_patch, check_size, decode};
use super::stamp::{DamagedTwin, Stamp};
use super::tree::Tree;
use super::view::Plain;
use crate::limits::TWIN_TAGS_BYTES_MAX;
use crate::time::UnixMillis;

/// Counts the changes that back ends made; a new twin has 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwinETag(pub u64);

impl TwinETag {
    /// The tag as clients see it, without quotes.
    ///
    /// Source: control-plane reference, "ETag rules".
    #[must_use]
    pub fn text(self) -> String {
        STANDARD.encode(self.0.to_be_bytes())
    }
}

/// Notes of a back end about an identity; the device does not see them.
#[derive(Clone, Debug, PartialEq)]
pub struct Tags(Tree);

/// Whether a change is merged into what is there or takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// PATCH.
    Merge,
    /// PUT.
    Replace,
}

/// The twin of a device or module.
#[derive(Clone, Debug, PartialEq)]
pub struct Twin {
    /// Version of what back ends write.
    pub etag: TwinETag,
    /// Tags.
    pub tags: Tags,
    /// What back ends ask of the device.
    pub desired: Section,
    /// What the device says about itself.
    pub reported: Section,
}

/// A change of desired properties, as the device hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredChange {
    /// Version of the section after the change.
    pub version: u64,
    /// The patch, or the new content after a replacement; with `$version`.
    pub patch: Bytes,
}

/// A twin after a change by a back end.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The twin as it is now.
    pub twin: Twin,
    /// What the device must hear.
    pub desired: Option<DesiredChange>,
}

impl Twin {
    /// The twin that every identity has from the beginning.
    #[must_use]
    pub fn new(created: UnixMillis) -> Self {
        Self {
            etag: TwinETag(1),
            tags: Tags(Tree::new()),
            desired: Section::new(created),
            reported: Section::new(created),
        }
    }

    /// Rises by one with every change: changes of back ends move the etag, those of the device its
    /// section. A new twin has 2.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.etag.0 + self.reported.version()
    }

    /// Makes a change of a back end, or says why not.
    ///
    /// # Errors
    /// [`TwinError`] with the place that breaks a rule; the twin is gone, and its stored form as it
    /// was.
    pub fn apply(mut self, change: ServiceChange, now: UnixMillis) -> Result<Applied, TwinError> {
        let ServiceChange { mode, tags, desired } = change;
        self.tags.apply(mode, tags).map_err(|error| error.within("tags"))?;
        let desired = self
            .apply_desired(mode, desired, now)
            .map_err(|error| error.within("desired").within("properties"))?;
        self.etag.0 += 1;
        Ok(Applied { twin: self, desired })
    }

    fn apply_desired(
        &mut self,
        mode: Mode,
        part: Part,
        now: UnixMillis,
    ) -> Result<Option<DesiredChange>, TwinError> {
        let content = match (part, mode) {
            (Part::Absent, _) => return Ok(None),
            (Part::Given(members), _) => members,
            (Part::Clear, Mode::Replace) => Map::new(),
            (Part::Clear, Mode::Merge) => {
                self.desired.names().map(|name| (name, Value::Null)).collect()
            }
        };
        let version = self.desired.version() + 1;
        let told = with_version(content.clone(), version);
        let content = content.into();
        match mode {
            Mode::Merge => self.desired.merge_desired(&content, now)?,
            Mode::Replace => self.desired.replace_desired(&content, now)?,
        }
        Ok(Some(DesiredChange { version, patch: told.into() }))
    }
}

impl Section {
    /// Merges what a device reports.
    ///
    /// # Errors
    /// [`TwinError`] with the place that breaks a rule; the section is as it was.
    pub fn report(&mut self, patch: &ReportedPatch<'_>, now: UnixMillis) -> Result<(), TwinError> {
        let merged = self.merge_reported(&patch.0, now);
        merged.map_err(|error| error.within("reported").within("properties"))
    }
}

impl Tags {
    /// True when there are none; they are then left out of JSON.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`DamagedTwin`] when it has not.
    pub fn decode(json: &str) -> Result<Self, DamagedTwin> {
        decode(json).map(Self)
    }

    /// The tags as a JSON object.
    #[must_use]
    pub fn encode(&self) -> &str {
        self.0.json()
    }

    fn apply(&mut self, mode: Mode, part: Part) -> Result<(), TwinError> {
        match (part, mode) {
            (Part::Absent, _) => {}
            (Part::Clear, _) => self.0 = Tree::new(),
            (Part::Given(content), mode) => {
                let content = PatchMembers::from(content);
                self.0 = match mode {
                    Mode::Merge => {
                        check_patch(&content, TWIN_TAGS_BYTES_MAX)?;
                        self.0.merged(&content, Stamp::default())
                    }
                    Mode::Replace => {
                        check_content(&content, TWIN_TAGS_BYTES_MAX)?;
                        Tree::of(&content, Stamp::default())
                    }
                };
                check_size(self.0.size(), TWIN_TAGS_BYTES_MAX)?;
            }
        }
        Ok(())
    }
}

impl serde::Serialize for Tags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain(self.0.json()).serialize(serializer)
    }
}

/// The twin as devices read it, from stored properties without looking into them: an object of both
/// sections, each with `$version`.
#[must_use]
pub fn device_document(desired: (&str, u64), reported: (&str, u64)) -> Vec<u8> {
    let mut document = Vec::with_capacity(desired.0.len() + reported.0.len() + 80);
    for (name, (properties, version)) in [("{\"desired\":", desired), (",\"reported\":", reported)]
    {
        document.extend_from_slice(name.as_bytes());
        let open = properties.strip_suffix('}').unwrap_or("{");
        document.extend_from_slice(open.as_bytes());
        let comma = if open.len() > 1 { "," } else { "" };
        document.extend_from_slice(format!("{comma}\"$version\":{version}}}").as_bytes());
    }
    document.push(b'}');
    document
}

fn with_version(mut members: Map<String, Value>, version: u64) -> Vec<u8> {
    members.insert("$version".to_owned(), version.into());
    serde_json::to_vec(&members).expect("names are text and numbers finite")
}
