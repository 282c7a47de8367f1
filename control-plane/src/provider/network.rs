//! Rules for networks in the description of a hub. They are checked, kept and given back; who
//! reaches the machine is decided by its own firewall.

use std::net::IpAddr;

use serde_json::Value;

use super::ProviderError;
use crate::api::Members;

/// Checks all that is said of networks and TLS. No version of TLS before 1.2 is spoken, whatever
/// `minTlsVersion` says.
///
/// # Errors
/// [`ProviderError`] that names the member.
///
/// Source: control-plane reference, "IotHubDescription".
pub(super) fn check_network(members: Members<'_>) -> Result<(), ProviderError> {
    one_of(members, "publicNetworkAccess", &["Enabled", "Disabled"])?;
    one_of(members, "minTlsVersion", &["1.0", "1.1", "1.2"])?;
    for flag in ["restrictOutboundNetworkAccess", "enableDataResidency"] {
        members.flag(flag)?;
    }
    rules(members, "ipFilterRules", &["Accept", "Reject"])?;
    if let Some(sets) = members.object("networkRuleSets")? {
        one_of(sets, "defaultAction", &["Deny", "Allow"])?;
        sets.flag("applyToBuiltInEventHubEndpoint")?;
        rules(sets, "ipRules", &["Allow"])?;
    }
    let names = members.get("allowedFqdnList").map(Value::as_array);
    if names.is_some_and(|names| names.is_none_or(|names| names.len() > 20)) {
        return Err(ProviderError::member("allowedFqdnList", "must be a list of at most 20 names"));
    }
    Ok(())
}

fn rules(
    members: Members<'_>,
    name: &'static str,
    actions: &'static [&'static str],
) -> Result<(), ProviderError> {
    let Some(rules) = members.get(name) else { return Ok(()) };
    let rules = rules.as_array().ok_or_else(|| ProviderError::member(name, "must be a list"))?;
    for rule in rules {
        let rule = Members::of(rule)?;
        if rule.filled("filterName")?.is_none() {
            return Err(ProviderError::member(name, "each rule has a filterName"));
        }
        if rule.filled("action")?.is_some() || actions.len() > 1 {
            one_of(rule, "action", actions)?
                .ok_or_else(|| ProviderError::member(name, "each rule has an action"))?;
        }
        let mask = rule.filled("ipMask")?.unwrap_or_default();
        if !is_mask(mask) {
            let text = format!("'{mask}' must be an address or a range such as 10.0.0.0/8");
            return Err(ProviderError::member("ipMask", text));
        }
    }
    Ok(())
}

fn is_mask(text: &str) -> bool {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
}

/// A word of a list, in any case.
pub(super) fn one_of<'v>(
    members: Members<'v>,
    name: &'static str,
    words: &[&str],
) -> Result<Option<&'v str>, ProviderError> {
    let Some(text) = members.filled(name)? else { return Ok(None) };
    if words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(Some(text));
    }
    Err(ProviderError::member(name, format!("'{text}' must be one of {}", words.join(", "))))
}
