"use strict";
// A device that sends telemetry steadily through azure-iot-device, whatever happens. Trust comes from
// NODE_EXTRA_CA_CERTS.
//
// usage: steady_device.js CONNECTION_STRING PREFIX TRANSPORT [RENEW_SECONDS]
// Sends a message after the other, ten a second. Prints {"acknowledged": id} or {"error": name} per message, and
// {"renewed": n} with each new token; runs until it is ended. With RENEW_SECONDS, tokens are good for one second more.

const { NoRetry } = require("azure-iot-common");
const { Client, Message } = require("azure-iot-device");
const { emit } = require("./lines");
const { transport } = require("./transport");

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function renew(client, seconds) {
  let renewed = 0;
  client._transport._authenticationProvider.on("newTokenAvailable", () => {
    renewed += 1;
    emit({ renewed });
  });
  await client.setOptions({
    tokenRenewal: { tokenValidTimeInSeconds: seconds + 1, tokenRenewalMarginInSeconds: 1 },
  });
}

async function main() {
  const [connectionString, prefix, name, seconds] = process.argv.slice(2);
  const client = Client.fromConnectionString(connectionString, transport(name));
  client.setRetryPolicy(new NoRetry());
  client.on("error", (error) => emit({ failed: error.name }));
  await client.open();
  if (seconds) {
    await renew(client, Number(seconds));
  }
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
