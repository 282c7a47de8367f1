//! What the provider can do, for clients that ask.

use serde_json::{Value, json};

use super::route::{PROVIDER, Part, Route};

/// Name, resource and description of each operation.
const OPERATIONS: [(&str, &str, &str); 29] = [
    ("operations/read", "Operations", "Lists the operations of the provider"),
    ("checkNameAvailability/Action", "IotHub", "Tells whether a name is free"),
    ("usages/Read", "Usages", "Tells how many hubs a subscription has"),
    ("iotHubs/Read", "IotHub", "Gets or lists hubs"),
    ("iotHubs/Write", "IotHub", "Creates or updates a hub"),
    ("iotHubs/Delete", "IotHub", "Deletes a hub"),
    ("iotHubs/listkeys/Action", "IotHub", "Gets the policies of a hub with their keys"),
    ("iotHubs/iotHubKeys/listkeys/Action", "IotHub", "Gets one policy of a hub with its keys"),
    ("iotHubs/skus/Read", "IotHub", "Gets the SKUs that a hub can have"),
    ("iotHubs/quotaMetrics/Read", "IotHub", "Gets the quotas of a hub"),
    ("iotHubs/iotHubStats/Read", "IotHub", "Counts the devices of a hub"),
    ("iotHubs/routingEndpointsHealth/Read", "IotHub", "Gets the health of endpoints of routes"),
    ("iotHubs/eventHubEndpoints/consumerGroups/Read", "EventHub", "Gets consumer groups"),
    ("iotHubs/eventHubEndpoints/consumerGroups/Write", "EventHub", "Creates a consumer group"),
    ("iotHubs/eventHubEndpoints/consumerGroups/Delete", "EventHub", "Deletes a consumer group"),
    ("iotHubs/certificates/Read", "Certificates", "Gets certificates"),
    ("iotHubs/certificates/Write", "Certificates", "Uploads a certificate"),
    ("iotHubs/certificates/Delete", "Certificates", "Deletes a certificate"),
    (
        "iotHubs/certificates/generateVerificationCode/Action",
        "Certificates",
        "Makes a code that proves the possession of a certificate",
    ),
    ("iotHubs/certificates/verify/Action", "Certificates", "Verifies a certificate"),
    ("iotHubs/jobs/Read", "IotHub", "Gets import and export jobs"),
    ("iotHubs/exportDevices/Action", "IotHub", "Exports identities"),
    ("iotHubs/importDevices/Action", "IotHub", "Imports identities"),
    ("iotHubs/routing/routes/$testall/Action", "IotHub", "Tells which routes a message takes"),
    ("iotHubs/routing/routes/$testnew/Action", "IotHub", "Tells whether a message takes a route"),
    ("iotHubs/failover/Action", "IotHub", "Refuses: there is no second region"),
    ("iotHubs/privateLinkResources/Read", "IotHub", "Lists nothing: there are no private links"),
    (
        "iotHubs/privateEndpointConnections/Read",
        "IotHub",
        "Lists nothing: there are no private endpoints",
    ),
    ("locations/operationresults/Read", "Operations", "Tells how far an operation is"),
];

pub(super) fn operations() -> Vec<Value> {
    let all = OPERATIONS.iter().map(|(name, resource, description)| {
        json!({
            "name": format!("{PROVIDER}/{name}"),
            "display": {
                "provider": "Microsoft Devices",
                "resource": resource,
                "operation": description,
                "description": description,
            },
        })
    });
    all.collect()
}

impl Route {
    /// The methods that are known, for those who use another one.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Hub(_) => "GET, PUT, PATCH, DELETE",
            Self::NameCheck => "POST",
            Self::Part(_, part) => part.methods(),
            _ => "GET",
        }
    }
}

impl Part {
    /// As of a route.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Keys
            | Self::Key(_)
            | Self::JobOf(_)
            | Self::RoutesTest
            | Self::RouteTest
            | Self::VerificationCode(_)
            | Self::Verification(_)
            | Self::Failover => "POST",
            Self::ConsumerGroup(_) | Self::Certificate(_) | Self::PrivateEndpointConnection(_) => {
                "GET, PUT, DELETE"
            }
            _ => "GET",
        }
    }
}
