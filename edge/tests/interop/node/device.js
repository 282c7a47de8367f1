"use strict";
// A device: sends telemetry through azure-iot-device. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: device.js CONNECTION_STRING PREFIX COUNT [HOLD_SECONDS]
// Prints {"state": "connected"}, one {"acknowledged": id} per message in order, {"state": "disconnected"}
// when the hub cuts it off, and {"error": name} when refused.

const { NoRetry } = require("azure-iot-common");
const { Client, Message } = require("azure-iot-device");
const { Mqtt } = require("azure-iot-device-mqtt");
const { emit, end } = require("./lines");

function telemetry(prefix, number) {
  const message = new Message(JSON.stringify({ n: number }));
  message.messageId = `${prefix}-${number}`;
  message.correlationId = `${prefix}-correlation`;
  message.contentType = "application/json";
  message.contentEncoding = "utf-8";
  message.properties.add("level", "hot spot");
  message.properties.add("sign & sum", "a=b/c+ü");
  return message;
}

function disconnection(client, seconds) {
  return new Promise((resolve) => {
    client.once("disconnect", () => resolve(true));
    setTimeout(() => resolve(false), seconds * 1000);
  });
}

async function main() {
  const [connectionString, prefix, count, hold] = process.argv.slice(2);
  const client = Client.fromConnectionString(connectionString, Mqtt);
  client.setRetryPolicy(new NoRetry());
  try {
    await client.open();
    emit({ state: "connected" });
    for (let number = 0; number < Number(count); number += 1) {
      await client.sendEvent(telemetry(prefix, number));
      emit({ acknowledged: `${prefix}-${number}` });
    }
    if (Number(hold) && (await disconnection(client, Number(hold)))) {
      emit({ state: "disconnected" });
    }
  } catch (error) {
    emit({ error: error.name, cause: String(error.message) });
  }
  end();
}

main();
