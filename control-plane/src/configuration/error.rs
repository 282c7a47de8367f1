//! Why a configuration is refused.

use ringhub_core::limits::{
    CONFIGURATION_BYTES_MAX, CONFIGURATION_METRICS_MAX, CONFIGURATION_MODULES_MAX,
    CONFIGURATIONS_MAX,
};

/// A refusal that the requester is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigurationError {
    #[error("an id has 1 to 128 lower-case letters, digits and signs of -:+%_#*?!(),=@;$'")]
    Id,
    #[error("the target condition cannot be: {0}")]
    Target(String),
    #[error("the content cannot be: {0}")]
    Content(ContentProblem),
    #[error("the content of a configuration stays as it was created")]
    ContentChanged,
    #[error("the query of the metric {name:?} cannot be: {why}")]
    Metric { name: String, why: String },
    #[error("a configuration has at most {CONFIGURATION_METRICS_MAX} metrics of its own")]
    TooManyMetrics,
    #[error("no configuration has this id")]
    NotFound,
    #[error("a configuration with this id is already there")]
    Exists,
    #[error("the hub has {CONFIGURATIONS_MAX} configurations of this kind, as many as it may have")]
    TooMany,
    #[error("content of modules is for edge devices, and this device is none")]
    NoEdgeDevice,
}

/// What is wrong with content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContentProblem {
    #[error("exactly one of deviceContent, moduleContent and modulesContent is needed")]
    Kind,
    #[error("{0} must be an object")]
    NoObject(String),
    #[error("{0:?} must be properties.desired, or begin with it and go on with names after dots")]
    Path(String),
    #[error("{0:?} is no id of a module")]
    Module(String),
    #[error("it has more than {CONFIGURATION_MODULES_MAX} modules")]
    TooManyModules,
    #[error("the configuration has more than {CONFIGURATION_BYTES_MAX} bytes")]
    TooLarge,
    #[error("{0}")]
    Twin(String),
    #[error("only modulesContent can be applied to one device")]
    NotOfModules,
}

impl From<ContentProblem> for ConfigurationError {
    fn from(problem: ContentProblem) -> Self {
        Self::Content(problem)
    }
}
