"use strict";
// A device: receives cloud-to-device messages through azure-iot-device. Trust comes from
// NODE_EXTRA_CA_CERTS.
//
// usage: c2d_device.js CONNECTION_STRING EXPECT [TRANSPORT]
// Prints {"state": "connected"} once it is subscribed, and one {"message": {...}} per message. It
// completes what it gets, unless the property "verdict" says reject, or abandon for the first time.

const { Client } = require("azure-iot-device");
const { emit, end } = require("./lines");
const { transport } = require("./transport");

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
  const [connectionString, expect, name] = process.argv.slice(2);
  const client = Client.fromConnectionString(connectionString, transport(name));
  const seen = new Set();
  let left = Number(expect);
  client.on("message", (message) => {
    emit({ message: described(message) });
    const asked = message.properties.getValue("verdict");
    const again = asked === "abandon" && seen.has(message.messageId);
    seen.add(message.messageId);
    client[asked && !again ? asked : "complete"](message, async (error) => {
      if (error) {
        emit({ unsettled: error.name });
      }
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
