//! Paths of the resource provider.

use percent_encoding::percent_decode_str;
use ringhub_core::limits::{PROVIDER_PATH_BYTES_MAX, RESOURCE_GROUP_CHARS_MAX};

use super::ProviderError;
use super::resource::ResourcePath;
use crate::registry_job::RegistryJobKind;

/// Name of the provider, and of the type of its resources.
pub(super) const PROVIDER: &str = "Microsoft.Devices";

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// What the provider can do.
    Operations,
    /// Hubs of a subscription, in one resource group or in all.
    Hubs {
        subscription: String,
        group: Option<String>,
    },
    NameCheck,
    Usages {
        subscription: String,
    },
    /// How far an operation is, by its id.
    OperationResult(String),
    Hub(ResourcePath),
    /// Something of a hub.
    Part(ResourcePath, Part),
}

/// Something of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Keys,
    /// The keys of the policy of this name.
    Key(String),
    Skus,
    QuotaMetrics,
    Statistics,
    ConsumerGroups,
    ConsumerGroup(String),
    Jobs,
    Job(String),
    /// Where jobs of this kind are made.
    JobOf(RegistryJobKind),
    EndpointsHealth,
    /// A test of all routes.
    RoutesTest,
    /// A test of one that the hub need not have.
    RouteTest,
    Certificates,
    Certificate(String),
    VerificationCode(String),
    Verification(String),
    Failover,
    PrivateLinkResources,
    PrivateLinkResource(String),
    PrivateEndpointConnections,
    PrivateEndpointConnection(String),
}

/// Whether a path is the resource provider's: no route of a hub begins so.
pub(crate) fn is_of_provider(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    ["subscriptions", "providers"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

impl Route {
    /// Finds what a path names. Words match in any case; names are decoded once and keep theirs.
    ///
    /// # Errors
    /// [`ProviderError`] for a path that names nothing, and for a subscription or a resource group
    /// that cannot be.
    ///
    /// Source: control-plane reference, "Frame" and "Operations".
    pub(super) fn of(path: &str) -> Result<Self, ProviderError> {
        if path.len() > PROVIDER_PATH_BYTES_MAX {
            return Err(ProviderError::Path);
        }
        let words = path.split('/').filter(|word| !word.is_empty()).map(decode);
        let words = words.collect::<Option<Vec<_>>>().ok_or(ProviderError::Path)?;
        let lower: Vec<_> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        let lower: Vec<_> = lower.iter().map(String::as_str).collect();
        match lower.as_slice() {
            ["providers", "microsoft.devices", "operations"] => Ok(Self::Operations),
            ["subscriptions", _, "providers", "microsoft.devices", rest @ ..] => {
                Self::of_subscription(subscription(&words[1])?, rest, &words[4..])
            }
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                "microsoft.devices",
                rest @ ..,
            ] => {
                let (subscription, group) = (subscription(&words[1])?, group(&words[3])?);
                Self::of_group(subscription, group, rest, &words[6..])
            }
            _ => Err(ProviderError::Path),
        }
    }

    fn of_subscription(
        subscription: String,
        lower: &[&str],
        words: &[String],
    ) -> Result<Self, ProviderError> {
        match lower {
            ["iothubs"] => Ok(Self::Hubs { subscription, group: None }),
            ["checknameavailability"] => Ok(Self::NameCheck),
            ["usages"] => Ok(Self::Usages { subscription }),
            ["locations", _, "operationresults", _] => Ok(Self::OperationResult(words[3].clone())),
            _ => Err(ProviderError::Path),
        }
    }

    fn of_group(
        subscription: String,
        group: String,
        lower: &[&str],
        words: &[String],
    ) -> Result<Self, ProviderError> {
        match lower {
            ["iothubs"] => Ok(Self::Hubs { subscription, group: Some(group) }),
            ["iothubs", _, rest @ ..] => {
                let path = ResourcePath { subscription, group, name: words[1].clone() };
                if rest.is_empty() {
                    return Ok(Self::Hub(path));
                }
                Ok(Self::Part(path, Part::of(rest, &words[2..]).ok_or(ProviderError::Path)?))
            }
            _ => Err(ProviderError::Path),
        }
    }
}

impl Part {
    fn of(lower: &[&str], words: &[String]) -> Option<Self> {
        let word = |at: usize| words[at].clone();
        Some(match lower {
            ["listkeys"] => Self::Keys,
            ["iothubkeys", _, "listkeys"] => Self::Key(word(1)),
            ["skus"] => Self::Skus,
            ["quotametrics"] => Self::QuotaMetrics,
            ["iothubstats"] => Self::Statistics,
            ["eventhubendpoints", "events", "consumergroups"] => Self::ConsumerGroups,
            ["eventhubendpoints", "events", "consumergroups", _] => Self::ConsumerGroup(word(3)),
            ["jobs"] => Self::Jobs,
            ["jobs", _] => Self::Job(word(1)),
            ["exportdevices"] => Self::JobOf(RegistryJobKind::Export),
            ["importdevices"] => Self::JobOf(RegistryJobKind::Import),
            ["routingendpointshealth"] => Self::EndpointsHealth,
            ["routing", "routes", "$testall"] => Self::RoutesTest,
            ["routing", "routes", "$testnew"] => Self::RouteTest,
            ["certificates"] => Self::Certificates,
            ["certificates", _] => Self::Certificate(word(1)),
            ["certificates", _, "generateverificationcode"] => Self::VerificationCode(word(1)),
            ["certificates", _, "verify"] => Self::Verification(word(1)),
            ["failover"] => Self::Failover,
            ["privatelinkresources"] => Self::PrivateLinkResources,
            ["privatelinkresources", _] => Self::PrivateLinkResource(word(1)),
            ["privateendpointconnections"] => Self::PrivateEndpointConnections,
            ["privateendpointconnections", _] => Self::PrivateEndpointConnection(word(1)),
            _ => return None,
        })
    }
}

fn decode(word: &str) -> Option<String> {
    percent_decode_str(word).decode_utf8().ok().map(Into::into)
}

/// A GUID in lower case.
fn subscription(text: &str) -> Result<String, ProviderError> {
    let is_guid = text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    if is_guid {
        return Ok(text.to_ascii_lowercase());
    }
    Err(ProviderError::Subscription(text.chars().take(64).collect()))
}

fn group(text: &str) -> Result<String, ProviderError> {
    let is_good = (1..=RESOURCE_GROUP_CHARS_MAX).contains(&text.chars().count())
        && text.chars().all(|c| c.is_alphanumeric() || "-_.()".contains(c))
        && !text.ends_with('.');
    if is_good {
        return Ok(text.to_owned());
    }
    Err(ProviderError::Group(text.chars().take(RESOURCE_GROUP_CHARS_MAX).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "91D12660-3dec-467a-be2a-213b5544ddc0";

    fn hub() -> ResourcePath {
        let [group, name] = ["My.Group", "Hub-1"].map(ToOwned::to_owned);
        ResourcePath { subscription: GUID.to_ascii_lowercase(), group, name }
    }

    #[test]
    fn words_match_in_any_case_and_names_keep_theirs() {
        let at = |rest: &str| Route::of(&format!("/subscriptions/{GUID}{rest}"));
        let part = |rest: &str| {
            at(&format!("/resourcegroups/My.Group/PROVIDERS/Microsoft.devices/iotHubs/Hub-1{rest}"))
        };
        assert_eq!(part(""), Ok(Route::Hub(hub())));
        assert_eq!(part("/"), Ok(Route::Hub(hub())));
        for (rest, expected) in [
            ("/listKeys", Part::Keys),
            ("/IotHubKeys/Own%20er/listkeys", Part::Key("Own er".to_owned())),
            ("/eventHubEndpoints/events/ConsumerGroups/%24Default", {
                Part::ConsumerGroup("$Default".to_owned())
            }),
            ("/routing/routes/$testall", Part::RoutesTest),
            ("/ExportDevices", Part::JobOf(RegistryJobKind::Export)),
            ("/certificates/a%2Fb/verify", Part::Verification("a/b".to_owned())),
            ("/IotHubStats", Part::Statistics),
        ] {
            assert_eq!(part(rest), Ok(Route::Part(hub(), expected)), "{rest}");
        }
        let subscription = GUID.to_ascii_lowercase();
        let hubs = Route::Hubs { subscription, group: None };
        assert_eq!(at("/providers/Microsoft.Devices/IotHubs"), Ok(hubs));
        let operations = Route::of("//providers/microsoft.devices/Operations/");
        assert_eq!(operations, Ok(Route::Operations));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let long = format!("/subscriptions/{GUID}/{}", "x/".repeat(PROVIDER_PATH_BYTES_MAX));
        for path in [
            "/subscriptions",
            "/providers/Microsoft.Storage/operations",
            "/subscriptions/%FF/providers/Microsoft.Devices/IotHubs",
            &long,
        ] {
            assert_eq!(Route::of(path), Err(ProviderError::Path), "{path}");
        }
        let hubs = |subscription: &str, group: &str| {
            let path = format!("/subscriptions/{subscription}/resourceGroups/{group}/providers");
            Route::of(&format!("{path}/Microsoft.Devices/IotHubs"))
        };
        for bad in ["mine", &GUID[1..], "91d12660+3dec-467a-be2a-213b5544ddc0"] {
            assert!(matches!(hubs(bad, "g"), Err(ProviderError::Subscription(_))), "{bad}");
        }
        for bad in ["g.", "a%20b", "a%2F..", &"x".repeat(91)] {
            assert!(matches!(hubs(GUID, bad), Err(ProviderError::Group(_))), "{bad}");
        }
    }

    #[test]
    fn paths_of_hubs_are_not_the_providers() {
        for (path, expected) in [
            ("/subscriptions/x", true),
            ("/Providers", true),
            ("//subscriptions", true),
            ("/devices/subscriptions", false),
            ("/subscriptionsx", false),
            ("/", false),
        ] {
            assert_eq!(is_of_provider(path), expected, "{path}");
        }
    }
}
