//! Paths of a query: a member of the twin, and the way further down from there.

use std::fmt::{self, Display};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Name(String),
    Index(usize),
}

/// What a path begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    DeviceId,
    ModuleId,
    ETag,
    DeviceETag,
    Status,
    StatusReason,
    StatusUpdateTime,
    ConnectionState,
    LastActivityTime,
    CloudToDeviceMessageCount,
    AuthenticationType,
    X509Thumbprint,
    ModelId,
    Version,
    Tags,
    Properties,
    Desired,
    Reported,
    Capabilities,
    DeviceScope,
    ParentScopes,
    Configurations,
    /// A member that rows of jobs have and twins have not.
    OfJob(&'static str),
    /// Nothing has it.
    Unknown,
}

/// Names of the members of a twin and of a row of a job. They compare without case, and this is
/// how rows show them. The identity's spelling of a member that both have is known too, because
/// tools ask for it.
///
/// Source: control-plane reference, "Twin document", "Per-device rows" and "Grammar".
const MEMBERS: [(&str, Member); 30] = [
    ("deviceId", Member::DeviceId),
    ("moduleId", Member::ModuleId),
    ("etag", Member::ETag),
    ("deviceEtag", Member::DeviceETag),
    ("status", Member::Status),
    ("statusReason", Member::StatusReason),
    ("statusUpdateTime", Member::StatusUpdateTime),
    ("statusUpdatedTime", Member::StatusUpdateTime),
    ("connectionState", Member::ConnectionState),
    ("lastActivityTime", Member::LastActivityTime),
    ("cloudToDeviceMessageCount", Member::CloudToDeviceMessageCount),
    ("authenticationType", Member::AuthenticationType),
    ("x509Thumbprint", Member::X509Thumbprint),
    ("modelId", Member::ModelId),
    ("version", Member::Version),
    ("tags", Member::Tags),
    ("properties", Member::Properties),
    ("capabilities", Member::Capabilities),
    ("deviceScope", Member::DeviceScope),
    ("parentScopes", Member::ParentScopes),
    ("configurations", Member::Configurations),
    ("jobId", Member::OfJob("jobId")),
    ("jobType", Member::OfJob("jobType")),
    ("startTimeUtc", Member::OfJob("startTimeUtc")),
    ("endTimeUtc", Member::OfJob("endTimeUtc")),
    ("createdDateTimeUtc", Member::OfJob("createdDateTimeUtc")),
    ("createdTimeUtc", Member::OfJob("createdDateTimeUtc")),
    ("lastUpdatedDateTimeUtc", Member::OfJob("lastUpdatedDateTimeUtc")),
    ("outcome", Member::OfJob("outcome")),
    ("error", Member::OfJob("error")),
];

/// A path that is known to lead somewhere, or nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) member: Member,
    /// The steps below the member.
    pub(crate) rest: Vec<Segment>,
    /// Key of the value in rows: the last name on the way.
    pub(crate) key: String,
}

impl Path {
    /// Finds what `segments` lead to. The name of a collection in front means nothing.
    pub(super) fn resolve(mut segments: Vec<Segment>) -> Self {
        strip_collection(&mut segments);
        let mut rest = segments.into_iter();
        let Some(Segment::Name(first)) = rest.next() else {
            return Self { member: Member::Unknown, rest: Vec::new(), key: String::new() };
        };
        let found = MEMBERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&first));
        let (mut key, mut member) = match found {
            Some((name, member)) => ((*name).to_owned(), *member),
            None => (first, Member::Unknown),
        };
        let mut rest: Vec<_> = rest.collect();
        if member == Member::Properties
            && let Some(Segment::Name(name)) = rest.first()
        {
            member = match name {
                name if name.eq_ignore_ascii_case("desired") => Member::Desired,
                name if name.eq_ignore_ascii_case("reported") => Member::Reported,
                _ => Member::Unknown,
            };
            key = name.clone();
            rest.remove(0);
        }
        canonical(member, &mut rest);
        let last = rest.iter().rev().find_map(|segment| match segment {
            Segment::Name(name) => Some(name.clone()),
            Segment::Index(_) => None,
        });
        Self { member, rest, key: last.unwrap_or(key) }
    }

    /// Whether the path ends at this member itself.
    pub(super) fn is(&self, member: Member) -> bool {
        self.member == member && self.rest.is_empty()
    }
}

/// Takes away a leading `devices.`, `devices.modules.` or `devices.jobs.`.
fn strip_collection(segments: &mut Vec<Segment>) {
    let is = |segments: &[Segment], at: usize, wanted: &str| match segments.get(at) {
        Some(Segment::Name(name)) => name.eq_ignore_ascii_case(wanted),
        Some(Segment::Index(_)) | None => false,
    };
    if segments.len() < 2 || !is(segments, 0, "devices") {
        return;
    }
    let is_longer = is(segments, 1, "modules") || is(segments, 1, "jobs");
    segments.drain(..if is_longer && segments.len() > 2 { 2 } else { 1 });
}

/// Spells the names that the hub itself has below a member as the hub does.
fn canonical(member: Member, rest: &mut [Segment]) {
    let names: &[&str] = match member {
        Member::Capabilities => &["iotEdge"],
        Member::X509Thumbprint => &["primaryThumbprint", "secondaryThumbprint"],
        _ => return,
    };
    if let Some(Segment::Name(name)) = rest.first_mut()
        && let Some(known) = names.iter().find(|known| known.eq_ignore_ascii_case(name))
    {
        *name = (*known).to_owned();
    }
}

impl Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = match self.member {
            Member::Desired => "properties.desired",
            Member::Reported => "properties.reported",
            member => MEMBERS.iter().find(|(_, m)| *m == member).map_or("", |(name, _)| name),
        };
        out.write_str(member)?;
        self.rest.iter().try_for_each(|segment| match segment {
            Segment::Name(name) => write!(out, ".{name}"),
            Segment::Index(index) => write!(out, "[{index}]"),
        })
    }
}
