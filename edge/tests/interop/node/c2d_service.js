"use strict";
// Back end: sends cloud-to-device messages and reads feedback through azure-iothub. Trust comes from
// NODE_EXTRA_CA_CERTS.
//
// usage: c2d_service.js CONNECTION_STRING SETTINGS
// SETTINGS is JSON: {device, messages: [{id, body, ack, expiry_ms, correlation_id, properties}],
// feedback: records to wait for, seconds, websocket}
// Prints {"sent": id} or {"refused": {id, error, cause}} per message, and {"feedback": {...}} per record.

const { Amqp, AmqpWs, Client } = require("azure-iothub");
const { Message } = require("azure-iot-common");
const { emit, end } = require("./lines");

function made(settings) {
  const message = new Message(settings.body);
  message.messageId = settings.id;
  message.ack = settings.ack;
  message.correlationId = settings.correlation_id;
  if (settings.content_type) {
    message.contentType = settings.content_type;
    message.contentEncoding = "utf-8";
  }
  if (settings.expiry_ms) {
    message.expiryTimeUtc = Date.now() + settings.expiry_ms;
  }
  for (const [name, value] of Object.entries(settings.properties || {})) {
    message.properties.add(name, value);
  }
  return message;
}

async function readFeedback(client, count, seconds) {
  // The promise of this call hides the receiver in a result.
  const receiver = await new Promise((resolve, reject) => {
    client.getFeedbackReceiver((error, found) => (error ? reject(error) : resolve(found)));
  });
  await new Promise((resolve) => {
    let left = count;
    setTimeout(resolve, seconds * 1000);
    receiver.on("message", (batch) => {
      for (const record of JSON.parse(batch.getData().toString())) {
        emit({ feedback: record });
        left -= 1;
      }
      if (left <= 0) {
        // The SDK accepts a batch when this returns.
        setTimeout(resolve, 200);
      }
    });
  });
}

async function main() {
  const [connectionString, text] = process.argv.slice(2);
  const settings = JSON.parse(text);
  const transport = settings.websocket ? AmqpWs : Amqp;
  const client = Client.fromConnectionString(connectionString, transport);
  await client.open();
  for (const message of settings.messages || []) {
    try {
      await client.send(settings.device, made(message));
      emit({ sent: message.id });
    } catch (error) {
      emit({ refused: { id: message.id, error: error.name, cause: String(error.message) } });
    }
  }
  if (settings.feedback) {
    await readFeedback(client, settings.feedback, settings.seconds || 60);
  }
  await client.close();
  end();
}

main().catch((error) => {
  emit({ error: error.name, cause: String(error.message) });
  end();
});
