//! One thing that was found, and what to do about it.

use std::fmt;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// CPUs that there are, and that may be used.
    Cpu,
    /// Memory of the machine and of the control group.
    Memory,
    /// Bounds of the process and of the kernel.
    Limits,
    /// What the kernel can do, and how it is set.
    Kernel,
    /// Network interfaces.
    Network,
    /// Filesystem and disk of the data directory.
    Disk,
}

impl Area {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Cpu, Self::Memory, Self::Limits, Self::Kernel, Self::Network, Self::Disk];
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Limits => "limits",
            Self::Kernel => "kernel",
            Self::Network => "network",
            Self::Disk => "disk",
        })
    }
}

/// How things are; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Nothing to do.
    Ok,
    /// It cannot be read here.
    Unknown,
    /// The hub runs, and would run better.
    Advice,
    /// The hub does not start, or cannot hold the connections that were asked for.
    Wrong,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Advice => "advice",
            Self::Wrong => "wrong",
        })
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub mark: Mark,
    /// What was found, with its unit.
    pub value: String,
    /// Why it matters.
    pub why: String,
    /// A line that mends it.
    pub mend: Option<String>,
    /// A line that undoes the other.
    pub undo: Option<String>,
}

impl Finding {
    /// Nothing to do.
    pub(super) fn ok(
        area: Area,
        subject: impl Into<String>,
        value: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        let (subject, value, why) = (subject.into(), value.into(), why.into());
        Self { area, subject, mark: Mark::Ok, value, why, mend: None, undo: None }
    }

    /// It cannot be read.
    pub(super) fn unknown(area: Area, subject: impl Into<String>, why: impl Into<String>) -> Self {
        Self { mark: Mark::Unknown, ..Self::ok(area, subject, "unknown", why) }
    }

    /// Makes it an advice, with what mends it and what undoes that.
    pub(super) fn advice(self, mend: impl Into<String>, undo: impl Into<String>) -> Self {
        let (mend, undo) = (Some(mend.into()), Some(undo.into()));
        Self { mark: Mark::Advice, mend, undo, ..self }
    }

    /// Makes it a fault, with what mends it and what undoes that.
    pub(super) fn wrong(self, mend: impl Into<String>, undo: impl Into<String>) -> Self {
        Self { mark: Mark::Wrong, ..self.advice(mend, undo) }
    }
}
