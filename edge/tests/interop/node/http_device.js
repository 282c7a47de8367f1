"use strict";
// A device through azure-iot-device over HTTPS. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: http_device.js CONNECTION_STRING PORT EXPECT [CERTIFICATE_FILE KEY_FILE]
// Sends a message and a batch of three, and settles EXPECT messages as their bodies say: complete, reject,
// or abandon and complete when it comes again. Prints {"sent": "single"} and {"sent": "batch"},
// {"message": {...}, "settled": ...} for each message, and {"error": name} when refused.

const fs = require("fs");
const { Client, Message } = require("azure-iot-device");
const { Http } = require("azure-iot-device-http");
const { dial } = require("./https_port");
const { emit, end } = require("./lines");

function single() {
  const message = new Message("single");
  message.messageId = "h-1";
  message.contentType = "text/plain";
  message.properties.add("level", "hot");
  return message;
}

// The SDK does not tell how often a message was delivered.
const seen = new Set();

async function settle(client, message) {
  const body = message.getData().toString();
  const wanted = body === "abandon" && seen.has(message.messageId) ? "complete" : body;
  seen.add(message.messageId);
  await client[wanted](message);
  emit({ message: { body, id: message.messageId }, settled: wanted });
  return wanted !== "abandon";
}

async function main() {
  const [connectionString, port, expect, certificate, key] = process.argv.slice(2);
  dial(port);
  const client = Client.fromConnectionString(connectionString, Http);
  if (certificate) {
    // Without a policy the SDK never says that the options are set.
    const http = { receivePolicy: { interval: 1 } };
    await client.setOptions({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key), http });
  }
  await client.open();
  await client.sendEvent(single());
  emit({ sent: "single" });
  await client.sendEventBatch(["b-0", "b-1", "b-2"].map((text) => new Message(text)));
  emit({ sent: "batch" });
  let left = Number(expect);
  await new Promise((resolve, reject) => {
    client.on("error", reject);
    client.on("message", (message) => {
      settle(client, message)
        .then((isOver) => (isOver && (left -= 1) === 0 ? resolve() : undefined))
        .catch(reject);
    });
    if (left === 0) {
      resolve();
    }
  });
  end();
}

main().catch((error) => {
  emit({ error: error.name, cause: String(error.message) });
  end();
});
