//! `ringhub job create`.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::follow::follow;
use super::{JobType, Named, job_path};
use crate::cli::error::CliError;
use crate::cli::json_argument::{json_object, json_value};
use crate::client::Precondition;

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Create {
    #[command(flatten)]
    named: Named,
    /// What it does to each device
    #[arg(long, visible_alias = "jt", value_enum, value_name = "TYPE", ignore_case = true)]
    job_type: JobType,
    /// Which devices: what stands behind WHERE in a query; * is all, and
    /// `FROM devices.modules WHERE …` is for modules
    #[arg(long, short, value_name = "CONDITION")]
    query_condition: String,
    /// Patch for the twins: a JSON object with tags, properties.desired or both
    #[arg(
        long, visible_alias = "patch", value_name = "JSON", value_parser = json_object,
        required_if_eq("job_type", "scheduleUpdateTwin"),
    )]
    twin_patch: Option<Value>,
    /// Name of the method
    #[arg(
        long,
        visible_alias = "mn",
        value_name = "NAME",
        required_if_eq("job_type", "scheduleDeviceMethod"),
        conflicts_with = "twin_patch"
    )]
    method_name: Option<String>,
    /// What the method is given, as JSON; null is no payload
    #[arg(long, visible_alias = "mp", value_name = "JSON", value_parser = json_value, requires = "method_name")]
    method_payload: Option<Value>,
    /// Seconds for the answer of a device
    #[arg(long, visible_alias = "mrt", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..=300))]
    method_response_timeout: u16,
    /// When it starts, such as 2030-01-01T02:00:00Z [default: at once]
    #[arg(long, visible_alias = "start", value_name = "TIME")]
    start_time: Option<String>,
    /// Seconds from its start on in which devices may be begun with
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    ttl: u64,
    /// Follow it to its end, and fail if it or a device has failed; Ctrl-C leaves it running
    #[arg(long)]
    wait: bool,
}

impl Create {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.named.target.rest()?;
        let path = job_path(&self.named.job_id);
        let made = rest.send(Method::PUT, &path, Precondition::Absent, Some(&self.body()))?;
        if self.wait {
            return follow(&rest, &path, self.named.output);
        }
        Ok(self.named.output.document(&made)?)
    }

    /// Source: control-plane reference, "Create body".
    fn body(&self) -> Value {
        let mut body = json!({
            "jobId": self.named.job_id,
            "type": self.job_type.text(),
            "queryCondition": self.query_condition,
            "startTime": self.start_time,
            "maxExecutionTimeInSeconds": self.ttl,
        });
        match self.job_type {
            JobType::UpdateTwin => {
                let mut patch = self.twin_patch.clone().unwrap_or_default();
                patch["etag"] = json!("*");
                body["updateTwin"] = patch;
            }
            JobType::DeviceMethod => {
                body["cloudToDeviceMethod"] = json!({
                    "methodName": self.method_name,
                    "payload": self.method_payload,
                    "responseTimeoutInSeconds": self.method_response_timeout,
                });
            }
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        create: Create,
    }

    fn parse(typed: &[&str]) -> Result<Value, clap::error::ErrorKind> {
        let all = [&["ringhub", "--job-id", "j", "-q", "*"], typed].concat();
        let parsed = Arguments::try_parse_from(all).map_err(|error| error.kind());
        parsed.map(|arguments| arguments.create.body())
    }

    #[test]
    fn a_job_says_what_the_hub_wants_to_know() {
        let twin = ["--job-type", "scheduleupdatetwin", "--twin-patch", r#"{"tags":{"a":1}}"#];
        let expected = json!({
            "jobId": "j", "type": "scheduleUpdateTwin", "queryCondition": "*", "startTime": null,
            "maxExecutionTimeInSeconds": 3600, "updateTwin": { "etag": "*", "tags": { "a": 1 } },
        });
        assert_eq!(parse(&twin), Ok(expected));
        let method = ["--jt", "scheduleDeviceMethod", "--mn", "reboot", "--mp", "3", "--ttl", "9"];
        let body = parse(&method).expect("a method job");
        let call = json!(
            { "methodName": "reboot", "payload": 3, "responseTimeoutInSeconds": 30 }
        );
        assert_eq!((&body["cloudToDeviceMethod"], &body["updateTwin"]), (&call, &Value::Null));
        assert_eq!(body["maxExecutionTimeInSeconds"], 9);
    }

    #[test]
    fn a_job_needs_what_its_type_needs() {
        use clap::error::ErrorKind::{ArgumentConflict, InvalidValue, MissingRequiredArgument};
        for (typed, kind) in [
            (&["--job-type", "scheduleUpdateTwin"][..], MissingRequiredArgument),
            (&["--job-type", "scheduleDeviceMethod"], MissingRequiredArgument),
            (&["--job-type", "export"], InvalidValue),
            (
                &["--job-type", "scheduleDeviceMethod", "--mn", "a", "--twin-patch", "{}"],
                ArgumentConflict,
            ),
        ] {
            assert_eq!(parse(typed), Err(kind), "{typed:?}");
        }
    }
}
