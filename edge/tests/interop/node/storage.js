"use strict";
// A back end that reads what devices have uploaded, through @azure/storage-blob with a connection string, and
// through azure-iothub the notifications of it. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: storage.js HUB_CONNECTION_STRING STORAGE_CONNECTION_STRING CONTAINER COUNT
// Prints {"file": {...}} for each notification, {"blob": {name, size}} for each blob of the container,
// {"prefix": name} for each folder of it, {"sum": n} of the bytes of all, and {"left": n} once it has deleted them.

const { Client } = require("azure-iothub");
const { BlobServiceClient } = require("@azure/storage-blob");
const { emit, end } = require("./lines");

async function notifications(connectionString, count) {
  const client = Client.fromConnectionString(connectionString);
  await client.open();
  // The promise of this call hides the receiver in a result.
  const receiver = await new Promise((resolve, reject) => {
    client.getFileNotificationReceiver((error, found) => (error ? reject(error) : resolve(found)));
  });
  await new Promise((resolve) => {
    let left = count;
    receiver.on("message", (message) => {
      emit({ file: JSON.parse(message.getData().toString()) });
      left -= 1;
      if (left === 0) {
        // The SDK accepts a message when this returns.
        setTimeout(resolve, 200);
      }
    });
  });
  await client.close();
}

async function blobs(connectionString, name) {
  const service = BlobServiceClient.fromConnectionString(connectionString);
  const container = service.getContainerClient(name);
  let sum = 0;
  for await (const blob of container.listBlobsFlat()) {
    const client = container.getBlockBlobClient(blob.name);
    const content = await client.downloadToBuffer(0, undefined, { blockSize: 1024 * 1024 });
    emit({ blob: { name: blob.name, size: blob.properties.contentLength } });
    sum += content.reduce((total, byte) => total + byte, 0);
  }
  for await (const entry of container.listBlobsByHierarchy("/")) {
    emit({ prefix: entry.name });
  }
  emit({ sum });
  const other = service.getContainerClient("exports");
  await other.create({ metadata: { made: "here" } });
  const copy = other.getBlockBlobClient("a&b/devices.txt");
  await copy.stageBlock("QUFB", "abc", 3);
  await copy.stageBlock("QUFC", "def", 3);
  await copy.commitBlockList(["QUFC", "QUFB"], { blobHTTPHeaders: { blobContentType: "text/plain" } });
  const read = await copy.download();
  emit({ committed: (await copy.downloadToBuffer()).toString(), kind: read.contentType });
  const refused = await copy.upload("x", 1, { conditions: { ifNoneMatch: "*" } }).catch((error) => error.code);
  emit({ refused });
  const names = [];
  for await (const found of service.listContainers()) {
    names.push(found.name);
  }
  await other.delete();
  for await (const blob of container.listBlobsFlat()) {
    await container.deleteBlob(blob.name);
  }
  let left = 0;
  for await (const _ of container.listBlobsFlat()) {
    left += 1;
  }
  emit({ containers: names, left });
}

async function main() {
  const [hub, storage, container, count] = process.argv.slice(2);
  if (Number(count) > 0) {
    await notifications(hub, Number(count));
  }
  await blobs(storage, container);
  end();
}

main().catch((error) => {
  emit({ error: String(error.stack) });
  end();
});
