"use strict";
// Back end: calls methods through azure-iothub, all at once. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: methods.js CONNECTION_STRING HTTPS_PORT CALLS
// CALLS is a JSON array of {"device", "module", "name", "payload", "response", "connect"}; only device
// and name must be there. Prints per call, in their order, {"called": {"status", "payload"}}, or
// {"called": {"error", "http"}} when it fails.

const { Client } = require("azure-iothub");
const { dial } = require("./https_port");
const { emit, end } = require("./lines");

async function invoke(client, call) {
  const params = {
    methodName: call.name,
    payload: call.payload,
    responseTimeoutInSeconds: call.response,
    connectTimeoutInSeconds: call.connect,
  };
  const target = call.module ? [call.device, call.module] : [call.device];
  try {
    const { result } = await client.invokeDeviceMethod(...target, params);
    return { status: result.status, payload: result.payload };
  } catch (error) {
    return { error: error.name, http: error.response && error.response.statusCode };
  }
}

async function main() {
  const [connectionString, port, calls] = process.argv.slice(2);
  dial(port);
  const client = Client.fromConnectionString(connectionString);
  const called = JSON.parse(calls).map((call) => invoke(client, call));
  for (const result of await Promise.all(called)) {
    emit({ called: result });
  }
  end();
}

main();
