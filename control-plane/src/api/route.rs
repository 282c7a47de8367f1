//! Paths of the API.

use http::Method;
use matchit::Router;
use percent_encoding::percent_decode_str;
use ringhub_core::auth::Segment;
use ringhub_core::id::{DeviceId, Identity, ModuleId};

use super::ApiError;
use crate::registry::RegistryError;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Devices,
    KeyRegeneration,
    /// Queries, for POST alone: a device may have this name.
    Query,
    Device(DeviceId),
    Commands(DeviceId),
    Modules(DeviceId),
    Module(DeviceId, ModuleId),
    DeviceStatistics,
    ServiceStatistics,
    Methods(Identity),
    Twin(Identity),
    /// The shared access policies with their keys.
    Policies,
    /// The keys of the policy of this name.
    PolicyKeys(String),
    ConsumerGroups,
    ConsumerGroup(String),
    /// The numbers of the hub, which the process around this crate gives.
    Metrics,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Devices,
    KeyRegeneration,
    Query,
    Device,
    Commands,
    Modules,
    Module,
    DeviceStatistics,
    ServiceStatistics,
    DeviceMethods,
    ModuleMethods,
    DeviceTwin,
    ModuleTwin,
    Policies,
    PolicyKeys,
    ConsumerGroups,
    ConsumerGroup,
    Metrics,
}

/// The table of paths.
#[derive(Debug)]
pub(crate) struct Routes {
    router: Router<Shape>,
}

impl Routes {
    pub(super) fn new() -> Self {
        let mut router = Router::new();
        for (path, shape) in [
            ("/devices", Shape::Devices),
            ("/devices/keys/regenerate", Shape::KeyRegeneration),
            ("/devices/query", Shape::Query),
            ("/devices/{device}", Shape::Device),
            ("/devices/{device}/commands", Shape::Commands),
            ("/devices/{device}/modules", Shape::Modules),
            ("/devices/{device}/modules/{module}", Shape::Module),
            ("/statistics/devices", Shape::DeviceStatistics),
            ("/statistics/service", Shape::ServiceStatistics),
            ("/twins/{device}/methods", Shape::DeviceMethods),
            ("/twins/{device}/modules/{module}/methods", Shape::ModuleMethods),
            ("/twins/{device}", Shape::DeviceTwin),
            ("/twins/{device}/modules/{module}", Shape::ModuleTwin),
            ("/listkeys", Shape::Policies),
            ("/iothubkeys/{policy}/regenerate", Shape::PolicyKeys),
            ("/eventhubendpoints/events/consumergroups", Shape::ConsumerGroups),
            ("/eventhubendpoints/events/consumergroups/{group}", Shape::ConsumerGroup),
            ("/metrics", Shape::Metrics),
        ] {
            let inserted = router.insert(path, shape);
            inserted.expect("the paths of the table do not contradict each other");
        }
        Self { router }
    }

    /// Finds what a path names. Words of the path match in any case, ids are decoded once, and one
    /// slash may follow.
    ///
    /// Source: control-plane reference, "Host, scheme, version".
    pub(super) fn resolve(&self, method: &Method, path: &str) -> Result<Resource, ApiError> {
        let path = path.strip_suffix('/').unwrap_or(path);
        // Matching is without case, so ids are taken from the path as it came.
        let lower = path.to_ascii_lowercase();
        let shape = *self.router.at(&lower).map_err(|_| ApiError::NotFound)?.value;
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let device = || decode(segments[1], DeviceId::parse);
        let module = || decode(segments[3], ModuleId::parse);
        Ok(match shape {
            Shape::Devices => Resource::Devices,
            Shape::KeyRegeneration => Resource::KeyRegeneration,
            Shape::Query if *method == Method::POST => Resource::Query,
            Shape::Device | Shape::Query => Resource::Device(device()?),
            Shape::Commands => Resource::Commands(device()?),
            Shape::Modules => Resource::Modules(device()?),
            Shape::Module => Resource::Module(device()?, module()?),
            Shape::Metrics => Resource::Metrics,
            Shape::DeviceStatistics => Resource::DeviceStatistics,
            Shape::ServiceStatistics => Resource::ServiceStatistics,
            Shape::DeviceMethods => Resource::Methods(Identity { device: device()?, module: None }),
            Shape::ModuleMethods => {
                Resource::Methods(Identity { device: device()?, module: Some(module()?) })
            }
            Shape::DeviceTwin => Resource::Twin(Identity { device: device()?, module: None }),
            Shape::ModuleTwin => {
                Resource::Twin(Identity { device: device()?, module: Some(module()?) })
            }
            Shape::Policies => Resource::Policies,
            Shape::PolicyKeys => Resource::PolicyKeys(decode_text(segments[1])?),
            Shape::ConsumerGroups => Resource::ConsumerGroups,
            Shape::ConsumerGroup => Resource::ConsumerGroup(decode_text(segments[3])?),
        })
    }
}

fn decode<T>(
    raw: &str,
    parse: impl Fn(&str) -> Result<T, ringhub_core::id::InvalidId>,
) -> Result<T, ApiError> {
    Ok(parse(&decode_text(raw)?).map_err(RegistryError::Id)?)
}

fn decode_text(raw: &str) -> Result<String, ApiError> {
    let text = percent_decode_str(raw).decode_utf8();
    Ok(text.map_err(|_| RegistryError::Argument("the path is not UTF-8"))?.into_owned())
}

impl Resource {
    /// The path below the host, for scope checks.
    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        use Segment::{Id, Literal};
        match self {
            Self::Devices => vec![Literal("devices")],
            Self::KeyRegeneration => {
                vec![Literal("devices"), Literal("keys"), Literal("regenerate")]
            }
            Self::Query => vec![Literal("devices"), Literal("query")],
            Self::Device(id) => vec![Literal("devices"), Id(id.as_str())],
            Self::Commands(id) => vec![Literal("devices"), Id(id.as_str()), Literal("commands")],
            Self::Modules(id) => vec![Literal("devices"), Id(id.as_str()), Literal("modules")],
            Self::Module(device, id) => {
                vec![Literal("devices"), Id(device.as_str()), Literal("modules"), Id(id.as_str())]
            }
            Self::DeviceStatistics => vec![Literal("statistics"), Literal("devices")],
            Self::ServiceStatistics => vec![Literal("statistics"), Literal("service")],
            Self::Policies => vec![Literal("listkeys")],
            Self::PolicyKeys(name) => {
                vec![Literal("IotHubKeys"), Literal(name), Literal("regenerate")]
            }
            Self::ConsumerGroups => CONSUMER_GROUPS.to_vec(),
            Self::ConsumerGroup(name) => {
                CONSUMER_GROUPS.into_iter().chain([Literal(name)]).collect()
            }
            Self::Metrics => vec![Literal("metrics")],
            Self::Twin(identity) => twin_segments(identity),
            Self::Methods(identity) => {
                let mut path = twin_segments(identity);
                path.push(Literal("methods"));
                path
            }
        }
    }
}

const CONSUMER_GROUPS: [Segment<'static>; 3] = [
    Segment::Literal("eventHubEndpoints"),
    Segment::Literal("events"),
    Segment::Literal("ConsumerGroups"),
];

fn twin_segments(Identity { device, module }: &Identity) -> Vec<Segment<'_>> {
    let mut path = vec![Segment::Literal("twins"), Segment::Id(device.as_str())];
    if let Some(module) = module {
        path.extend([Segment::Literal("modules"), Segment::Id(module.as_str())]);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str) -> Resource {
        Resource::Device(DeviceId::parse(id).expect("valid id"))
    }

    #[test]
    fn words_match_in_any_case_and_ids_decode_once() {
        let routes = Routes::new();
        for (path, expected) in [
            ("/devices", Resource::Devices),
            ("/DEVICES/", Resource::Devices),
            ("/devices/Pump", device("Pump")),
            ("/Devices/a%2Bb+c%23%40%24", device("a+b+c#@$")),
            ("/devices/100%2525", device("100%25")),
            ("/devices/devices", device("devices")),
            ("/devices/Query", device("Query")),
            ("/devices/Keys/regenerate/", Resource::KeyRegeneration),
            ("/devices/keys", device("keys")),
            ("/devices/keys/modules", Resource::Modules(DeviceId::parse("keys").expect("valid"))),
            ("/statistics/Devices", Resource::DeviceStatistics),
            ("/statistics/service/", Resource::ServiceStatistics),
        ] {
            assert_eq!(routes.resolve(&Method::GET, path).expect(path), expected, "{path}");
        }
        for path in ["/devices/D/modules/$edgeAgent", "/devices/D/Modules/%24edgeAgent/"] {
            let found = routes.resolve(&Method::GET, path).expect(path);
            let module = ModuleId::parse("$edgeAgent").expect("valid id");
            assert_eq!(found, Resource::Module(DeviceId::parse("D").expect("valid id"), module));
        }
    }

    #[test]
    fn a_post_to_the_path_of_queries_is_one() {
        let found = Routes::new().resolve(&Method::POST, "/Devices/QUERY/");
        assert_eq!(found.expect("the path is known"), Resource::Query);
    }

    #[test]
    fn other_paths_are_not_found_and_bad_ids_are_bad_arguments() {
        let routes = Routes::new();
        for path in ["", "/", "/device", "/devices/a/b", "/devices//modules", "/statistics/x"] {
            assert!(
                matches!(routes.resolve(&Method::GET, path), Err(ApiError::NotFound)),
                "{path}"
            );
        }
        for path in ["/devices/a%20b", "/devices/a%2Fb", "/devices/%FF", "/devices/%C3%A4"] {
            assert!(
                matches!(routes.resolve(&Method::GET, path), Err(ApiError::Registry(_))),
                "{path}"
            );
        }
    }
}
