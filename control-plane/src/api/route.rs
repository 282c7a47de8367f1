//! Paths of the API.

use http::Method;
use matchit::Router;
use percent_encoding::percent_decode_str;
use ringhub_core::auth::Segment;
use ringhub_core::id::{DeviceId, Identity, InvalidId, JobId, ModuleId};

use super::ApiError;
use super::not_built::NOT_BUILT;
use crate::c2d::NoticeKind;
use crate::configuration::ConfigurationId;
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
    /// The queue of messages to a device or module, for back ends.
    DeviceBound(Identity),
    /// The list of the scheduled jobs.
    Jobs,
    Job(JobId),
    JobCancel(JobId),
    /// What back ends are told.
    Notices(NoticeKind),
    /// A notice by its lock token, to be completed.
    NoticeLock(NoticeKind, String),
    /// A notice by its lock token, to be abandoned.
    NoticeAbandon(NoticeKind, String),
    /// The list of imports and exports.
    RegistryJobs,
    /// Where imports and exports are made.
    RegistryJobCreate,
    /// An import or export by its id.
    RegistryJob(String),
    /// The shared access policies with their keys.
    Policies,
    /// The keys of the policy of this name.
    PolicyKeys(String),
    /// The storage account of the hub with its key.
    StorageKeys,
    /// The certificate authorities.
    Certificates,
    Certificate(String),
    /// The code that proves the certificate of this name.
    VerificationCode(String),
    /// The proof of the certificate of this name.
    Verification(String),
    ConsumerGroups,
    ConsumerGroup(String),
    QueryIndexes,
    /// The index for queries of this name.
    QueryIndex(String),
    Configurations,
    Configuration(ConfigurationId),
    /// Tests of conditions and metrics, for POST alone: a configuration may have this name.
    ConfigurationQueries,
    /// Content for one edge device.
    ConfigurationContent(DeviceId),
    /// The numbers of the hub, which the process around this crate gives.
    Metrics,
    /// What the real service has under this path and this hub has not, by its name.
    NotBuilt(&'static str, NotBuiltPath),
}

/// The words and ids of a path, decoded, for the scope of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotBuiltPath(Vec<String>);

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
    DeviceQueue,
    ModuleQueue,
    Jobs,
    Job,
    JobCancel,
    Notices(NoticeKind),
    NoticeLock(NoticeKind),
    NoticeAbandon(NoticeKind),
    RegistryJobs,
    RegistryJobCreate,
    RegistryJob,
    NotBuilt(&'static str),
    Policies,
    PolicyKeys,
    StorageKeys,
    Certificates,
    Certificate,
    VerificationCode,
    Verification,
    ConsumerGroups,
    ConsumerGroup,
    QueryIndexes,
    QueryIndex,
    Configurations,
    Configuration,
    ConfigurationQueries,
    ConfigurationContent,
    Metrics,
}

/// The table of paths.
#[derive(Debug)]
pub(crate) struct Routes {
    router: Router<Shape>,
}

impl Routes {
    pub(super) fn new() -> Self {
        use NoticeKind::{Feedback, File};
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
            ("/devices/{device}/messages/devicebound", Shape::DeviceQueue),
            ("/devices/{device}/modules/{module}/messages/devicebound", Shape::ModuleQueue),
            ("/jobs/v2/query", Shape::Jobs),
            ("/jobs/v2/{job}", Shape::Job),
            ("/jobs/v2/{job}/cancel", Shape::JobCancel),
            ("/messages/servicebound/feedback", Shape::Notices(Feedback)),
            ("/messages/servicebound/feedback/{lock}", Shape::NoticeLock(Feedback)),
            ("/messages/servicebound/feedback/{lock}/abandon", Shape::NoticeAbandon(Feedback)),
            ("/messages/servicebound/filenotifications", Shape::Notices(File)),
            ("/messages/servicebound/filenotifications/{lock}", Shape::NoticeLock(File)),
            ("/messages/servicebound/filenotifications/{lock}/abandon", Shape::NoticeAbandon(File)),
            ("/jobs", Shape::RegistryJobs),
            ("/jobs/create", Shape::RegistryJobCreate),
            ("/jobs/{job}", Shape::RegistryJob),
            ("/listkeys", Shape::Policies),
            ("/iothubkeys/{policy}/regenerate", Shape::PolicyKeys),
            ("/storage/listkeys", Shape::StorageKeys),
            ("/certificates", Shape::Certificates),
            ("/certificates/{name}", Shape::Certificate),
            ("/certificates/{name}/generateverificationcode", Shape::VerificationCode),
            ("/certificates/{name}/verify", Shape::Verification),
            ("/eventhubendpoints/events/consumergroups", Shape::ConsumerGroups),
            ("/eventhubendpoints/events/consumergroups/{group}", Shape::ConsumerGroup),
            ("/queryindexes", Shape::QueryIndexes),
            ("/queryindexes/{name}", Shape::QueryIndex),
            ("/configurations", Shape::Configurations),
            ("/configurations/testqueries", Shape::ConfigurationQueries),
            ("/configurations/{id}", Shape::Configuration),
            ("/devices/{device}/applyconfigurationcontent", Shape::ConfigurationContent),
            ("/metrics", Shape::Metrics),
        ]
        .into_iter()
        .chain(NOT_BUILT.iter().map(|&(path, name)| (path, Shape::NotBuilt(name))))
        {
            let inserted = router.insert(path, shape);
            inserted.expect("the paths of the table do not contradict each other");
        }
        Self { router }
    }

    /// Finds what a path names. Words of the path match in any case, ids are decoded once, and one
    /// slash may follow.
    ///
    /// Some tools encode the whole path. So where a path as it came names nothing, encoded slashes
    /// are slashes, and where that does not help either, all of it is decoded once before. Whoever
    /// authorizes looks at the resource that was found, never at the path.
    ///
    /// Source: control-plane reference, "Host, scheme, version".
    pub(super) fn resolve(&self, method: &Method, path: &str) -> Result<Resource, ApiError> {
        let found = self.read(method, path);
        if found.is_ok() {
            return found;
        }
        let readings = other_readings(path);
        let mut others = readings.iter().map(|reading| self.read(method, reading));
        others.find(Result::is_ok).unwrap_or(found)
    }

    /// The other reading of a path that `is_wanted`, if the path names no resource as it came or in
    /// a reading before that one.
    pub(super) fn other_reading(
        &self,
        method: &Method,
        path: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Option<String> {
        if !path.contains('%') || self.read(method, path).is_ok() {
            return None;
        }
        let decides = |reading: &String| is_wanted(reading) || self.read(method, reading).is_ok();
        other_readings(path).into_iter().find(decides).filter(|reading| is_wanted(reading))
    }

    fn read(&self, method: &Method, path: &str) -> Result<Resource, ApiError> {
        let path = path.strip_suffix('/').unwrap_or(path);
        // Matching is without case, so ids are taken from the path as it came.
        let lower = path.to_ascii_lowercase();
        let shape = *self.router.at(&lower).map_err(|_| ApiError::NotFound)?.value;
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let device = || decode(segments[1], DeviceId::parse);
        let module = || decode(segments[3], ModuleId::parse);
        let is_post = *method == Method::POST;
        Ok(match shape {
            Shape::NotBuilt(name) => {
                let words = segments.iter().map(|word| decode_text(word));
                Resource::NotBuilt(name, NotBuiltPath(words.collect::<Result<_, _>>()?))
            }
            Shape::Query if is_post => Resource::Query,
            Shape::DeviceQueue => {
                Resource::DeviceBound(Identity { device: device()?, module: None })
            }
            Shape::ModuleQueue => {
                Resource::DeviceBound(Identity { device: device()?, module: Some(module()?) })
            }
            Shape::Jobs => Resource::Jobs,
            Shape::Job => Resource::Job(decode(segments[2], JobId::parse)?),
            Shape::JobCancel => Resource::JobCancel(decode(segments[2], JobId::parse)?),
            Shape::Notices(kind) => Resource::Notices(kind),
            Shape::NoticeLock(kind) => Resource::NoticeLock(kind, decode_text(segments[3])?),
            Shape::NoticeAbandon(kind) => Resource::NoticeAbandon(kind, decode_text(segments[3])?),
            Shape::RegistryJobs => Resource::RegistryJobs,
            Shape::RegistryJobCreate => Resource::RegistryJobCreate,
            Shape::RegistryJob => Resource::RegistryJob(decode_text(segments[1])?),
            Shape::Devices => Resource::Devices,
            Shape::KeyRegeneration => Resource::KeyRegeneration,
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
            Shape::StorageKeys => Resource::StorageKeys,
            Shape::Certificates => Resource::Certificates,
            Shape::Certificate => Resource::Certificate(decode_text(segments[1])?),
            Shape::VerificationCode => Resource::VerificationCode(decode_text(segments[1])?),
            Shape::Verification => Resource::Verification(decode_text(segments[1])?),
            Shape::ConsumerGroups => Resource::ConsumerGroups,
            Shape::ConsumerGroup => Resource::ConsumerGroup(decode_text(segments[3])?),
            Shape::QueryIndexes => Resource::QueryIndexes,
            Shape::QueryIndex => Resource::QueryIndex(decode_text(segments[1])?),
            Shape::Configurations => Resource::Configurations,
            Shape::ConfigurationQueries if is_post => Resource::ConfigurationQueries,
            Shape::Configuration | Shape::ConfigurationQueries => {
                let id = ConfigurationId::parse(&decode_text(segments[1])?);
                Resource::Configuration(id.map_err(RegistryError::from)?)
            }
            Shape::ConfigurationContent => Resource::ConfigurationContent(device()?),
        })
    }
}

/// How else a path may be read: with encoded slashes as slashes, and decoded once before; none
/// where that changes nothing.
fn other_readings(path: &str) -> Vec<String> {
    if !path.contains('%') {
        return Vec::new();
    }
    let decoded = percent_decode_str(path).decode_utf8().unwrap_or_default();
    [path, &decoded].map(with_slashes).into()
}

/// A path in which encoded slashes are slashes.
fn with_slashes(path: &str) -> String {
    let path = path.replace("%2F", "/").replace("%2f", "/");
    format!("/{}", path.trim_start_matches('/'))
}

fn decode<T>(raw: &str, parse: impl Fn(&str) -> Result<T, InvalidId>) -> Result<T, ApiError> {
    Ok(parse(&decode_text(raw)?).map_err(RegistryError::Id)?)
}

fn decode_text(raw: &str) -> Result<String, ApiError> {
    let text = percent_decode_str(raw).decode_utf8();
    Ok(text.map_err(|_| RegistryError::Argument("the path is not UTF-8"))?.into_owned())
}

impl Resource {
    /// The device or module that the path names.
    pub(super) fn identity(&self) -> Option<Identity> {
        let (device, module) = match self {
            Self::Device(device)
            | Self::Commands(device)
            | Self::Modules(device)
            | Self::ConfigurationContent(device) => (device, None),
            Self::Module(device, module) => (device, Some(module)),
            Self::Methods(identity) | Self::Twin(identity) | Self::DeviceBound(identity) => {
                return Some(identity.clone());
            }
            _ => return None,
        };
        Some(Identity { device: device.clone(), module: module.cloned() })
    }

    /// The device whose own tokens are enough; `None` where only policies give rights.
    pub(super) fn own_device(&self) -> Option<&str> {
        match self {
            Self::Modules(device) | Self::Module(device, _) => Some(device.as_str()),
            Self::NotBuilt(_, NotBuiltPath(words)) => match words.as_slice() {
                [devices, device, ..] if devices.eq_ignore_ascii_case("devices") => Some(device),
                _ => None,
            },
            _ => None,
        }
    }

    /// The id at the end of the path of an identity.
    pub(super) fn last_id(&self) -> Option<&str> {
        match self {
            Self::Device(device) => Some(device.as_str()),
            Self::Module(_, module) => Some(module.as_str()),
            _ => None,
        }
    }

    /// The same with ids that are decoded once more; `None` when that changes nothing, or leads to
    /// no ids.
    pub(super) fn decoded_again(&self) -> Option<Self> {
        let Identity { device, module } = self.identity()?;
        let device = again(device.as_str(), DeviceId::parse)?;
        let module = module.map(|module| again(module.as_str(), ModuleId::parse).ok_or(()));
        let module = module.transpose().ok()?;
        let identity = || Identity { device: device.clone(), module: module.clone() };
        let other = match self {
            Self::Device(_) => Self::Device(device),
            Self::Commands(_) => Self::Commands(device),
            Self::Modules(_) => Self::Modules(device),
            Self::ConfigurationContent(_) => Self::ConfigurationContent(device),
            Self::Module(..) => Self::Module(device, module?),
            Self::Methods(_) => Self::Methods(identity()),
            Self::Twin(_) => Self::Twin(identity()),
            Self::DeviceBound(_) => Self::DeviceBound(identity()),
            _ => return None,
        };
        (other != *self).then_some(other)
    }

    /// The path below the host, for scope checks.
    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        use Segment::{Id, Literal};
        match self {
            Self::Devices => vec![Literal("devices")],
            Self::KeyRegeneration => KEY_REGENERATION.to_vec(),
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
            Self::StorageKeys => vec![Literal("storage"), Literal("listkeys")],
            Self::PolicyKeys(name) => {
                vec![Literal("IotHubKeys"), Literal(name), Literal("regenerate")]
            }
            Self::Certificates => vec![Literal("certificates")],
            Self::Certificate(name) => vec![Literal("certificates"), Literal(name)],
            Self::VerificationCode(name) => {
                vec![Literal("certificates"), Literal(name), Literal("generateVerificationCode")]
            }
            Self::Verification(name) => {
                vec![Literal("certificates"), Literal(name), Literal("verify")]
            }
            Self::ConsumerGroups => CONSUMER_GROUPS.to_vec(),
            Self::ConsumerGroup(name) => {
                CONSUMER_GROUPS.into_iter().chain([Literal(name)]).collect()
            }
            Self::QueryIndexes => vec![Literal("queryIndexes")],
            Self::QueryIndex(name) => vec![Literal("queryIndexes"), Literal(name)],
            Self::Configurations => vec![Literal("configurations")],
            Self::Configuration(id) => vec![Literal("configurations"), Id(id.as_str())],
            Self::ConfigurationQueries => vec![Literal("configurations"), Literal("testQueries")],
            Self::ConfigurationContent(id) => {
                let content = Literal("applyConfigurationContent");
                vec![Literal("devices"), Id(id.as_str()), content]
            }
            Self::Metrics => vec![Literal("metrics")],
            Self::NotBuilt(_, NotBuiltPath(words)) => words.iter().map(|word| Id(word)).collect(),
            Self::DeviceBound(Identity { device, module }) => {
                let mut path = vec![Literal("devices"), Id(device.as_str())];
                if let Some(module) = module {
                    path.extend([Literal("modules"), Id(module.as_str())]);
                }
                path.extend([Literal("messages"), Literal("deviceBound")]);
                path
            }
            Self::Jobs => vec![Literal("jobs"), Literal("v2"), Literal("query")],
            Self::Job(id) => vec![Literal("jobs"), Literal("v2"), Id(id.as_str())],
            Self::JobCancel(id) => {
                vec![Literal("jobs"), Literal("v2"), Id(id.as_str()), Literal("cancel")]
            }
            Self::RegistryJobs => vec![Literal("jobs")],
            Self::RegistryJobCreate => vec![Literal("jobs"), Literal("create")],
            Self::RegistryJob(id) => vec![Literal("jobs"), Id(id)],
            Self::Notices(kind) | Self::NoticeLock(kind, _) | Self::NoticeAbandon(kind, _) => {
                kind.node().split('/').skip(1).map(Literal).collect()
            }
            Self::Twin(identity) => twin_segments(identity),
            Self::Methods(identity) => {
                let mut path = twin_segments(identity);
                path.push(Literal("methods"));
                path
            }
        }
    }
}

fn again<T>(id: &str, parse: impl Fn(&str) -> Result<T, InvalidId>) -> Option<T> {
    parse(&percent_decode_str(id).decode_utf8().ok()?).ok()
}

const KEY_REGENERATION: [Segment<'static>; 3] =
    [Segment::Literal("devices"), Segment::Literal("keys"), Segment::Literal("regenerate")];
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
    fn scheduled_jobs_have_paths_and_one_name_is_that_of_the_list() {
        let routes = Routes::new();
        let job = |id| JobId::parse(id).expect("valid id");
        for (path, expected) in [
            ("/Jobs/V2/Query", Resource::Jobs),
            ("/jobs/v2/fw-1/", Resource::Job(job("fw-1"))),
            ("/jobs/v2/a%2Bb", Resource::Job(job("a+b"))),
            ("/jobs/v2/Fw/Cancel", Resource::JobCancel(job("Fw"))),
        ] {
            assert_eq!(routes.resolve(&Method::GET, path).expect(path), expected, "{path}");
        }
        let refused = routes.resolve(&Method::PUT, "/jobs/v2/a%20b").expect_err("no id");
        assert!(matches!(refused, ApiError::Registry(RegistryError::Id(_))), "{refused}");
    }

    #[test]
    fn encoded_slashes_are_slashes_where_nothing_else_fits() {
        let routes = Routes::new();
        let identity = |device: &str, module: Option<&str>| Identity {
            device: DeviceId::parse(device).expect("valid id"),
            module: module.map(|id| ModuleId::parse(id).expect("valid id")),
        };
        let statistics = Resource::DeviceStatistics;
        for (path, expected) in [
            ("/devices%2Fdev1", device("dev1")),
            ("/%2Fdevices%2Fdev1", device("dev1")),
            ("/devices%2fa%252Bb", device("a%2Bb")),
            ("/devices%252Fdev1", device("dev1")),
            ("/statistics%2Fdevices", statistics),
            ("/devices%2Fd%2Fmodules", Resource::Modules(identity("d", None).device)),
            ("/twins%2Fd%2Fmodules%2Fm", Resource::Twin(identity("d", Some("m")))),
            ("/twins%2Fd%2Fmethods", Resource::Methods(identity("d", None))),
            ("/messages%2FserviceBound%2Ffeedback", Resource::Notices(NoticeKind::Feedback)),
            ("/twins/d%2Fmodules/m", Resource::Twin(identity("d", Some("m")))),
        ] {
            assert_eq!(routes.resolve(&Method::GET, path).expect(path), expected, "{path}");
        }
        // Dots are ids like others: there is no way up.
        for path in ["/devices%2F..", "/devices/%2E%2E"] {
            assert_eq!(routes.resolve(&Method::GET, path).expect(path), device(".."), "{path}");
        }
    }

    #[test]
    fn ids_can_be_decoded_once_more() {
        let routes = Routes::new();
        let again = |path| routes.resolve(&Method::GET, path).expect(path).decoded_again();
        assert_eq!(again("/devices/a%252Bb"), Some(device("a+b")));
        let twin = |path| routes.resolve(&Method::GET, path).expect(path);
        assert_eq!(again("/twins/d/modules/m%2523"), Some(twin("/twins/d/modules/m%23")));
        for path in ["/devices/a%2Bb", "/devices/a%252Fb", "/devices/a%25FF", "/devices"] {
            assert_eq!(again(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_not_built_is_told_by_its_name() {
        let routes = Routes::new();
        for (method, path, expected) in [
            (Method::GET, "/digitaltwins/d", "digital twins"),
            (Method::POST, "/digitaltwins%2Fd%2Fcommands%2Fc", "digital twins"),
        ] {
            let found = routes.resolve(&method, path).expect(path);
            assert!(matches!(found, Resource::NotBuilt(name, _) if name == expected), "{path}");
        }
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
