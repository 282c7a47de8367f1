//! Imports and exports of identities that the hub does by itself, with a container of a storage
//! account.

use http::Method;
use serde_json::{Value, json};

use super::follow::follow;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::target::TargetArguments;
use crate::client::{Precondition, RestClient, encode_segment};

/// Path of imports and exports.
const PATH: &str = "/jobs";

pub(super) fn path(id: &str) -> String {
    format!("{PATH}/{}", encode_segment(id))
}

/// Makes a job as `request` says and follows it to its end.
pub(in crate::cli) fn run(
    target: &TargetArguments,
    request: &Value,
    output: Output,
) -> Result<(), CliError> {
    let rest = target.rest()?;
    let path = format!("{PATH}/create");
    let made = rest.send(Method::POST, &path, Precondition::Absent, Some(request))?;
    follow(&rest, &self::path(made["jobId"].as_str().unwrap_or_default()), output)
}

/// All of them, with the time of their start where scheduled jobs have it.
pub(super) fn list(rest: &RestClient) -> Result<Vec<Value>, CliError> {
    let Value::Array(mut jobs) = rest.read(PATH)? else { return Ok(Vec::new()) };
    for job in &mut jobs {
        job["startTime"] = job["startTimeUtc"].clone();
    }
    Ok(jobs)
}

/// Cancels the job at `path` and prints what has become of it.
pub(super) fn cancel(rest: &RestClient, path: &str, output: Output) -> Result<(), CliError> {
    rest.send(Method::DELETE, path, Precondition::Absent, None)?;
    Ok(output.document(&rest.read(path)?)?)
}

/// What exports all identities into a container.
pub(in crate::cli) fn export(container: &str, with_keys: bool) -> Value {
    json!({
        "type": "export",
        "outputBlobContainerUri": container,
        "excludeKeysInExport": !with_keys,
    })
}

/// What imports from a container, with its errors into another one.
pub(in crate::cli) fn import(input: &str, output: &str) -> Value {
    json!({
        "type": "import",
        "inputBlobContainerUri": input,
        "outputBlobContainerUri": output,
    })
}

/// A URI as `argument` has it, or that in the file which was named instead: signatures are not to
/// be seen in the list of processes.
///
/// # Errors
/// When it is neither.
pub(in crate::cli) fn container_uri(argument: &str, text: &str) -> Result<String, CliError> {
    if text.starts_with("https://") {
        return Ok(text.to_owned());
    }
    let read = std::fs::read_to_string(text).map(|uri| uri.trim().to_owned());
    read.map_err(|error| {
        CliError::Argument(format!(
            "{argument} is the URI of a container, https://ACCOUNT/CONTAINER?SAS, or the name of a \
             file that holds it; {text} is no URI, and as a file it cannot be read: {error}"
        ))
    })
}
