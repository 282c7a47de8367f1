//! The resource provider of a hub under test.

use std::fs;

use super::hub::Hub;

/// Where the hub of the configuration file is found.
pub(crate) const CONFIGURED_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
pub(crate) const CONFIGURED_GROUP: &str = "ringhub";

/// The token of administrators, which the hub has made.
pub(crate) fn admin_token(hub: &Hub) -> String {
    let text = fs::read_to_string(hub.data_dir().join("admin-token"));
    text.expect("the hub wrote its token").trim().to_owned()
}

/// What SDKs take as the address of the provider.
pub(crate) fn base_url(hub: &Hub) -> String {
    format!("https://{}", hub.address.https_host())
}
