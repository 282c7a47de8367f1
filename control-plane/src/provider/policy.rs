//! Shared access policies in the description of a hub.

use std::collections::HashSet;

use ringhub_core::auth::{KeyPair, Permissions};
use ringhub_core::limits::{
    HUB_POLICIES_MAX, KEY_BYTES_MAX, KEY_BYTES_MIN, POLICY_NAME_CHARS_MAX, SERVICE_POLICIES_MAX,
};
use serde_json::Value;

use super::ProviderError;
use crate::api::Members;
use crate::hub::NewPolicy;
use crate::registry::{Mint, RegistryError};

const MEMBER: &str = "properties.authorizationPolicies";

/// Reads all policies of a hub. Keys that are left out are made.
///
/// # Errors
/// [`ProviderError`] that names what cannot be.
///
/// Source: control-plane reference, "Shared access policies".
pub(super) fn parse_policies(list: &Value) -> Result<Vec<NewPolicy>, ProviderError> {
    let list = list.as_array().ok_or_else(|| ProviderError::member(MEMBER, "must be a list"))?;
    if list.len() > HUB_POLICIES_MAX {
        let rule = format!("a hub has at most {HUB_POLICIES_MAX} policies");
        return Err(ProviderError::member(MEMBER, rule));
    }
    let policies = list.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut names = HashSet::new();
    if let Some(twice) = policies.iter().find(|policy| !names.insert(policy.name.as_str())) {
        let rule = format!("keyName '{}' comes twice", twice.name);
        return Err(ProviderError::member(MEMBER, rule));
    }
    let serves = |policy: &&NewPolicy| policy.permissions.allow(Permissions::SERVICE_CONNECT);
    if policies.iter().filter(serves).count() > SERVICE_POLICIES_MAX {
        let rule = format!("at most {SERVICE_POLICIES_MAX} policies may have ServiceConnect");
        return Err(ProviderError::member(MEMBER, rule));
    }
    Ok(policies)
}

fn parse(value: &Value) -> Result<NewPolicy, ProviderError> {
    let members = Members::of(value)?;
    let name = members.filled("keyName")?.unwrap_or_default();
    let is_name = (1..=POLICY_NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !is_name {
        let rule = format!(
            "keyName '{}' has 1 to {POLICY_NAME_CHARS_MAX} letters, digits and -._",
            name.chars().take(POLICY_NAME_CHARS_MAX).collect::<String>()
        );
        return Err(ProviderError::member(MEMBER, rule));
    }
    let permissions = rights(members.filled("rights")?.unwrap_or_default())?;
    let made = Mint::keys().map_err(|_| RegistryError::Storage)?;
    let [primary, secondary] = [members.filled("primaryKey")?, members.filled("secondaryKey")?];
    let keys = KeyPair::from_base64(
        primary.unwrap_or(&made.primary_text()),
        secondary.unwrap_or(&made.secondary_text()),
    )
    .map_err(|_| {
        let rule =
            format!("the keys of '{name}' are base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes");
        ProviderError::member(MEMBER, rule)
    })?;
    Ok(NewPolicy { name: name.to_owned(), permissions, keys: Some(keys) })
}

/// Reads rights as one text, such as `RegistryRead, ServiceConnect`.
fn rights(text: &str) -> Result<Permissions, ProviderError> {
    let known = [
        ("RegistryRead", Permissions::REGISTRY_READ),
        ("RegistryWrite", Permissions::REGISTRY_WRITE),
        ("ServiceConnect", Permissions::SERVICE_CONNECT),
        ("DeviceConnect", Permissions::DEVICE_CONNECT),
    ];
    let right = |word: &str| {
        let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(word.trim()));
        found.map(|(_, right)| *right)
    };
    let mut words = text.split(',');
    let all = words.try_fold(Permissions::NONE, |all, word| Some(all | right(word)?));
    all.ok_or_else(|| {
        let rule = "rights are one text with commas of RegistryRead, RegistryWrite, ServiceConnect \
                    and DeviceConnect";
        ProviderError::member(MEMBER, rule)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn policies_are_read_and_keys_made() {
        let key = "AAECAwQFBgcICQoLDA0ODw==";
        let read = parse_policies(&json!([
            { "keyName": "all", "rights": "registrywrite, ServiceConnect,DeviceConnect" },
            { "keyName": "one", "rights": "DeviceConnect", "primaryKey": key, "secondaryKey": "" },
        ]));
        let read = read.expect("both are good");
        assert_eq!(read[0].permissions, Permissions::ALL);
        let keys = read[1].keys.as_ref().expect("keys");
        assert_eq!((keys.primary_text().as_str(), keys.secondary().len()), (key, 32));
    }

    #[test]
    fn what_cannot_be_a_policy_is_named() {
        let one = |value: Value| parse_policies(&json!([value])).map(drop);
        let many = |count: usize, rights: &str| {
            let all: Vec<_> = (0..count)
                .map(|n| json!({ "keyName": format!("p{n}"), "rights": rights }))
                .collect();
            parse_policies(&json!(all)).map(drop)
        };
        for (refused, said) in [
            (one(json!({ "rights": "DeviceConnect" })), "keyName '' has 1 to 64"),
            (one(json!({ "keyName": "a b", "rights": "DeviceConnect" })), "keyName 'a b' has"),
            (one(json!({ "keyName": "a" })), "rights are one text"),
            (one(json!({ "keyName": "a", "rights": "Everything" })), "rights are one text"),
            (
                one(json!({ "keyName": "a", "rights": "DeviceConnect", "primaryKey": "x" })),
                "the keys of 'a' are base64",
            ),
            (one(json!(7)), "a JSON object"),
            (parse_policies(&json!({})).map(drop), "must be a list"),
            (many(17, "DeviceConnect"), "at most 16 policies"),
            (many(11, "ServiceConnect"), "at most 10 policies may have ServiceConnect"),
            (
                parse_policies(&json!([
                    { "keyName": "a", "rights": "DeviceConnect" },
                    { "keyName": "a", "rights": "DeviceConnect" },
                ]))
                .map(drop),
                "keyName 'a' comes twice",
            ),
        ] {
            let refused = refused.expect_err(said).to_string();
            assert!(refused.contains(said), "{refused}");
        }
        assert_eq!(many(16, "DeviceConnect"), Ok(()));
    }
}
