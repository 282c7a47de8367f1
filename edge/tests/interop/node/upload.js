"use strict";
// A device that uploads a file through azure-iot-device, over HTTPS. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: upload.js CONNECTION_STRING BLOB_NAME BYTES
// Prints {"done": true}, or {"refused": text}.

const { Readable } = require("stream");
const { Client } = require("azure-iot-device");
const { transport } = require("./transport");
const { emit, end } = require("./lines");

async function main() {
  const [connectionString, name, length] = process.argv.slice(2);
  const client = Client.fromConnectionString(connectionString, transport());
  const content = Buffer.alloc(Number(length), "0123456789abcdef");
  try {
    await client.uploadToBlob(name, Readable.from([content]), content.length);
    emit({ done: true });
  } catch (error) {
    emit({ refused: `${error.name}: ${error.message}` });
  }
  end();
}

main();
