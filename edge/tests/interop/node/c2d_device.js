"use strict";
// A device: receives cloud-to-device messages through azure-iot-device over MQTT, or over an MQTT
// WebSocket. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: c2d_device.js CONNECTION_STRING EXPECT [websocket]
// Prints {"state": "connected"} once it is subscribed, and one {"message": {...}} per message, which
// it completes.

const { Client } = require("azure-iot-device");
const { Mqtt, MqttWs } = require("azure-iot-device-mqtt");
const { emit, end } = require("./lines");

function described(message) {
  const properties = {};
  for (const { key, value } of message.properties.propertyList) {
    properties[key] = value;
  }
  return {
    body: message.getData().toString(),
    message_id: message.messageId,
    correlation_id: message.correlationId,
    user_id: message.userId,
    expiry: message.expiryTimeUtc,
    content_type: message.contentType,
    content_encoding: message.contentEncoding,
    properties,
  };
}

async function main() {
  const [connectionString, expect, transport] = process.argv.slice(2);
  const protocol = transport === "websocket" ? MqttWs : Mqtt;
  const client = Client.fromConnectionString(connectionString, protocol);
  let left = Number(expect);
  client.on("message", (message) => {
    emit({ message: described(message) });
    client.complete(message, async () => {
      left -= 1;
      if (left === 0) {
        await client.close();
        end();
      }
    });
  });
  await client.open();
  emit({ state: "connected" });
}

main().catch((error) => {
  emit({ error: error.name, cause: String(error.message) });
  end();
});
