"use strict";
// A device that answers methods through azure-iot-device. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: method_device.js CONNECTION_STRING TRANSPORT
// echo answers 200 with {"name": ..., "payload": ...} as received; status answers with the status that
// its payload names and no payload; silent never answers.
// Prints {"state": "connected"} before it subscribes; runs until it is ended.

const { Client } = require("azure-iot-device");
const { emit } = require("./lines");
const { transport } = require("./transport");

async function main() {
  const [connectionString, name] = process.argv.slice(2);
  const client = Client.fromConnectionString(connectionString, transport(name));
  await client.open();
  emit({ state: "connected" });
  client.onDeviceMethod("echo", (request, response) =>
    response.send(200, { name: request.methodName, payload: request.payload }),
  );
  client.onDeviceMethod("status", (request, response) => response.send(request.payload.status));
  client.onDeviceMethod("silent", () => {});
}

main();
