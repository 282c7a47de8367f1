//! A hub as the body of a request describes it.

use std::collections::BTreeMap;

use ringhub_core::limits::{LOCATION_CHARS_MAX, TAG_NAME_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX};
use serde_json::Value;

use super::ProviderError;
use super::properties::PropertiesDraft;
use super::sku::Sku;
use crate::api::{Members, parse_body};

/// What a PUT says.
#[derive(Debug)]
pub(super) struct HubDraft {
    pub(super) location: String,
    pub(super) sku: Sku,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) identity: Value,
    pub(super) properties: PropertiesDraft,
}

impl HubDraft {
    /// Reads a description. What only the hub itself says, such as its state, is passed over:
    /// clients send back what they have read.
    ///
    /// # Errors
    /// [`ProviderError`] that names the member.
    pub(super) fn parse(body: &[u8], name: &str) -> Result<Self, ProviderError> {
        let body = parse_body(body)?;
        let members = Members::of(&body)?;
        if let Some(other) = members.filled("name")?
            && !other.eq_ignore_ascii_case(name)
        {
            let rule = format!("'{other}' is another name than '{name}' in the path");
            return Err(ProviderError::member("name", rule));
        }
        let location = members.filled("location")?.map(str::trim).unwrap_or_default();
        if !(1..=LOCATION_CHARS_MAX).contains(&location.chars().count()) {
            let rule = format!("is required, and has at most {LOCATION_CHARS_MAX} characters");
            return Err(ProviderError::member("location", rule));
        }
        let sku = members.object("sku")?;
        let sku = sku.ok_or_else(|| {
            ProviderError::member("sku", "is required, as in {\"name\":\"S1\",\"capacity\":1}")
        })?;
        Ok(Self {
            location: location.to_owned(),
            sku: Sku::parse(sku)?,
            tags: tags(members)?,
            identity: members.get("identity").cloned().unwrap_or_default(),
            properties: PropertiesDraft::parse(members.get("properties"))?,
        })
    }
}

/// The tags of a body; none where it has none.
///
/// # Errors
/// [`ProviderError`] for what is no tag, and for too many.
pub(super) fn tags(members: Members<'_>) -> Result<BTreeMap<String, String>, ProviderError> {
    let Some(tags) = members.get("tags") else { return Ok(BTreeMap::new()) };
    let refused = || {
        let rule = format!(
            "must be an object of at most {TAGS_MAX} texts, with names of 1 to \
             {TAG_NAME_CHARS_MAX} and values of at most {TAG_VALUE_CHARS_MAX} characters"
        );
        ProviderError::member("tags", rule)
    };
    let tags = tags.as_object().filter(|tags| tags.len() <= TAGS_MAX).ok_or_else(refused)?;
    let tag = |(name, value): (&String, &Value)| {
        let value = value.as_str()?;
        let is_good = (1..=TAG_NAME_CHARS_MAX).contains(&name.chars().count())
            && value.chars().count() <= TAG_VALUE_CHARS_MAX;
        is_good.then(|| (name.clone(), value.to_owned()))
    };
    tags.iter().map(tag).collect::<Option<_>>().ok_or_else(refused)
}

/// Whether two names of a location mean the same.
pub(super) fn is_same_location(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.replace(' ', "").to_lowercase();
    plain(one) == plain(other)
}
