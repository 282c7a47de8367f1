//! `ringhub invoke-device-method` and `ringhub invoke-module-method`.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::error::CliError;
use super::json_argument::json_value;
use super::names::{DeviceName, ModuleName, Named};
use super::output::Output;
use super::target::TargetArguments;

/// How much longer than the hub the command waits.
const MARGIN: Duration = Duration::from_secs(10);

const DEVICE_EXAMPLES: &str = "\
Examples:
  ringhub invoke-device-method -d pump-7 --method-name reboot --method-payload '{\"delay\": 3}'
  ringhub invoke-device-method -d pump-7 --method-name reboot --connect-timeout 0
                                                      does not wait for an offline device
  ringhub simulate-device -d pump-7                   answers, in another terminal

The answer of the device has a status of its own; the command succeeds whatever that is.";

const MODULE_EXAMPLES: &str = "\
Examples:
  ringhub invoke-module-method -d pump-7 -m fan --method-name stop";

/// Call a direct method of a device, and print its answer
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = DEVICE_EXAMPLES)]
pub struct InvokeDeviceMethod {
    #[command(flatten)]
    call: Call<DeviceName>,
}

/// Call a direct method of a module, and print its answer
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = MODULE_EXAMPLES)]
pub struct InvokeModuleMethod {
    #[command(flatten)]
    call: Call<ModuleName>,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Call<N: Named> {
    #[command(flatten)]
    name: N,
    /// Name of the method
    #[arg(long, visible_alias = "mn", value_name = "NAME")]
    method_name: String,
    /// What the method is given, as JSON; null is no payload
    #[arg(long, visible_alias = "mp", value_name = "JSON", default_value = "{}", value_parser = json_value)]
    method_payload: Value,
    /// Seconds for the answer of the device
    #[arg(long, visible_alias = "to", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..=300))]
    timeout: u16,
    /// Seconds to wait for a device that is not connected [default: as long as for the answer]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(0..=300))]
    connect_timeout: Option<u16>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl InvokeDeviceMethod {
    pub(super) fn run(&self) -> Result<(), CliError> {
        self.call.run()
    }
}

impl InvokeModuleMethod {
    pub(super) fn run(&self) -> Result<(), CliError> {
        self.call.run()
    }
}

impl<N: Named> Call<N> {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let path = format!("{}/methods", self.name.identity().path("twins"));
        let seconds = u64::from(self.timeout) + u64::from(self.connect_timeout());
        let patience = Duration::from_secs(seconds) + MARGIN;
        let answer = rest.post_patiently(&path, &self.body(), patience)?;
        Ok(self.output.document(&answer)?)
    }

    /// As the Azure CLI has it: one time for both, unless another is said.
    fn connect_timeout(&self) -> u16 {
        self.connect_timeout.unwrap_or(self.timeout)
    }

    /// Source: control-plane reference, "Direct methods".
    fn body(&self) -> Value {
        json!({
            "methodName": self.method_name,
            "responseTimeoutInSeconds": self.timeout,
            "connectTimeoutInSeconds": self.connect_timeout(),
            "payload": self.method_payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        call: Call<ModuleName>,
    }

    #[test]
    fn a_call_says_what_the_hub_wants_to_know() {
        let typed = "ringhub -d pump -m fan --mn stop --mp {\"s\":1} --timeout 5";
        let call = Arguments::try_parse_from(typed.split(' ')).unwrap().call;
        let expected = json!({
            "methodName": "stop",
            "responseTimeoutInSeconds": 5,
            "connectTimeoutInSeconds": 5,
            "payload": { "s": 1 },
        });
        assert_eq!(call.body(), expected);
        assert_eq!(call.name.identity().path("twins"), "/twins/pump/modules/fan");
        let typed = "ringhub -d pump -m fan --method-name stop";
        let bare = Arguments::try_parse_from(typed.split(' ')).unwrap().call;
        assert_eq!(bare.body()["payload"], json!({}), "as the Azure CLI sends it");
    }
}
