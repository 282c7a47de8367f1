"use strict";
// A device that does what it is told, through azure-iot-device over any transport. Trust comes from
// NODE_EXTRA_CA_CERTS.
//
// usage: told_device.js CONNECTION_STRING TRANSPORT HTTPS_PORT [CERTIFICATE_FILE KEY_FILE]
// Reads commands from standard input, one {"do": name, ...} per line, and answers each by {"done": value} or
// {"failed": name of the error, "cause": text}. Prints {"message": {...}}, {"desired": {...}} and {"method": name}
// when they come. The commands are the members of `commands`.

const fs = require("fs");
const readline = require("readline");
const { NoRetry } = require("azure-iot-common");
const { Client, Message } = require("azure-iot-device");
const { dial } = require("./https_port");
const { emit, end } = require("./lines");
const { transport } = require("./transport");

const [connectionString, name, port, certificate, key] = process.argv.slice(2);
// Without a policy of receiving, HTTP never says that options are set.
const always = name === "http" ? { http: { receivePolicy: { interval: 1 } } } : {};
const received = new Map();
let client;

function telemetry({ id, body, properties }) {
  const message = new Message(body);
  message.messageId = id;
  message.correlationId = "k";
  message.contentType = "text/plain";
  message.contentEncoding = "utf-8";
  for (const [name, value] of Object.entries(properties)) {
    message.properties.add(name, value);
  }
  return message;
}

function described(message) {
  return {
    id: message.messageId,
    body: message.getData().toString(),
    correlation_id: message.correlationId,
    content_type: message.contentType,
    // Over HTTP the SDK leaves names of properties as headers have them.
    mode: ["mode", "iothub-app-mode"].map((name) => message.properties.getValue(name)).find(Boolean),
  };
}

const commands = {
  async open() {
    client = Client.fromConnectionString(connectionString, transport(name));
    client.setRetryPolicy(new NoRetry());
    client.on("error", () => {});
    const shown = certificate
      ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }
      : {};
    await client.setOptions({ ...shown, ...always });
    await client.open();
  },
  async send(command) {
    await client.sendEvent(telemetry(command));
  },
  async batch({ messages }) {
    await client.sendEventBatch(messages.map(telemetry));
  },
  async receive() {
    client.on("message", (message) => {
      received.set(message.messageId, message);
      emit({ message: described(message) });
    });
  },
  async settle({ id, verdict }) {
    await client[verdict](received.get(id));
  },
  async twin() {
    const { properties } = await client.getTwin();
    return JSON.parse(JSON.stringify(properties));
  },
  async report({ patch }) {
    const { properties } = await client.getTwin();
    await new Promise((resolve, reject) =>
      properties.reported.update(patch, (error) => (error ? reject(error) : resolve()))
    );
  },
  async watch() {
    const twin = await client.getTwin();
    twin.on("properties.desired", (desired) => emit({ desired }));
  },
  async serve() {
    client.onDeviceMethod("echo", (request, response) => {
      emit({ method: request.methodName });
      response.send(200, request.payload);
    });
  },
  async renew({ times }) {
    const tokenRenewal = { tokenValidTimeInSeconds: 2, tokenRenewalMarginInSeconds: 1 };
    await client.setOptions({ tokenRenewal, ...always });
    const provider = client._transport._authenticationProvider;
    for (let left = times; left > 0; left -= 1) {
      await new Promise((resolve) => provider.once("newTokenAvailable", resolve));
    }
    tokenRenewal.tokenValidTimeInSeconds = 3600;
    await client.setOptions({ tokenRenewal, ...always });
  },
};

async function main() {
  if (name === "http") {
    dial(port);
  }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      emit({ done: (await commands[command.do](command)) || null });
    } catch (error) {
      emit({ failed: error.name, cause: String(error.message) });
    }
  }
  end();
}

main();
