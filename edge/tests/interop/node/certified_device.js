"use strict";
// A device that proves itself with a certificate, through azure-iot-device: sends and receives of all
// kinds. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: certified_device.js HOST DEVICE_ID CERTIFICATE_FILE KEY_FILE mqtt|ws
// Prints {"acknowledged": true} for its telemetry, {"reported": true} for its report, {"listening": true}
// once it hears all, then {"message": text}, {"method": name} and {"desired": {...}} as they come, and
// ends when it has one of each. Prints {"error": name} when refused.

const fs = require("fs");
const { NoRetry } = require("azure-iot-common");
const { Client, Message } = require("azure-iot-device");
const { Mqtt, MqttWs } = require("azure-iot-device-mqtt");
const { emit, end } = require("./lines");

const report = (twin, patch) =>
  new Promise((resolve, reject) =>
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()))
  );

async function main() {
  const [host, id, certificate, key, transport] = process.argv.slice(2);
  const string = `HostName=${host};DeviceId=${id};x509=true`;
  const client = Client.fromConnectionString(string, transport === "ws" ? MqttWs : Mqtt);
  client.setRetryPolicy(new NoRetry());
  await client.setOptions({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) });
  await client.open();
  await client.sendEvent(new Message("certified"));
  emit({ acknowledged: true });
  const twin = await client.getTwin();
  await report(twin, { certified: true });
  emit({ reported: true });
  const message = new Promise((resolve) =>
    client.on("message", (received) => {
      emit({ message: received.getData().toString() });
      client.complete(received, resolve);
    })
  );
  const method = new Promise((resolve) =>
    client.onDeviceMethod("echo", (request, response) => {
      emit({ method: request.methodName });
      response.send(200, request.payload).then(resolve);
    })
  );
  const desired = new Promise((resolve) =>
    twin.on("properties.desired", (patch) => {
      if ("certified" in patch) {
        emit({ desired: patch });
        resolve();
      }
    })
  );
  // The listeners subscribe without saying when; requests of one connection are served in turn.
  await report(twin, { listening: true });
  emit({ listening: true });
  await Promise.all([message, method, desired]);
  await client.close();
  end();
}

main().catch((error) => {
  emit({ error: error.name, cause: String(error.message) });
  end();
});
