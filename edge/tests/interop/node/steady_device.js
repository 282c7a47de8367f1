"use strict";
// A device that sends telemetry steadily through azure-iot-device, whatever happens. Trust comes from
// NODE_EXTRA_CA_CERTS.
//
// usage: steady_device.js CONNECTION_STRING PREFIX TRANSPORT
// Sends a message after the other, ten a second. Prints {"acknowledged": id} or {"error": name} per message; runs until
// it is ended.

const { NoRetry } = require("azure-iot-common");
const { Client, Message } = require("azure-iot-device");
const { emit } = require("./lines");
const { transport } = require("./transport");

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function main() {
  const [connectionString, prefix, name] = process.argv.slice(2);
  const client = Client.fromConnectionString(connectionString, transport(name));
  client.setRetryPolicy(new NoRetry());
  client.on("error", (error) => emit({ failed: error.name }));
  await client.open();
  for (let number = 0; ; number += 1) {
    const message = new Message(`${prefix}-${number}`);
    try {
      await client.sendEvent(message);
      emit({ acknowledged: `${prefix}-${number}` });
    } catch (error) {
      emit({ error: error.name, cause: String(error.message) });
    }
    await pause(100);
  }
}

main();
