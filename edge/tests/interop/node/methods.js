"use strict";
// Back end: calls methods through azure-iothub, all at once. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: methods.js CONNECTION_STRING HTTPS_PORT CALLS
// CALLS is a JSON array of {"device", "module", "name", "payload", "response", "connect"}; only device
// and name must be there. Prints per call, in their order, {"called": {"status", "payload"}}, or
// {"called": {"error", "http"}} when it fails.

const https = require("https");
const { Client } = require("azure-iothub");
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
  if (port !== "443") {
    // The SDK always dials 443; Node's own default agent can be told another port.
    https.globalAgent = new https.Agent({ port: Number(port) });
  }
  const client = Client.fromConnectionString(connectionString);
  const called = JSON.parse(calls).map((call) => invoke(client, call));
  for (const result of await Promise.all(called)) {
    emit({ called: result });
  }
  end();
}

main();
