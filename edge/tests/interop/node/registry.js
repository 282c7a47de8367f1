"use strict";
// Back end: the identity registry through azure-iothub. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: registry.js CONNECTION_STRING HTTPS_PORT create|get|enable|disable|delete|list [DEVICE_ID]
// Prints {"device": {...}}, {"devices": [...]}, {"deleted": id} or {"error": name, "status": n}.

const { Registry } = require("azure-iothub");
const { dial } = require("./https_port");
const { emit, end } = require("./lines");

async function setStatus(registry, deviceId, status) {
  const { responseBody: device } = await registry.get(deviceId);
  device.status = status;
  return registry.update(device);
}

async function run(registry, verb, deviceId) {
  switch (verb) {
    case "create": {
      const { responseBody } = await registry.create({ deviceId, status: "enabled" });
      return emit({ device: responseBody });
    }
    case "get":
      return emit({ device: (await registry.get(deviceId)).responseBody });
    case "enable":
    case "disable":
      return emit({ device: (await setStatus(registry, deviceId, verb + "d")).responseBody });
    case "delete":
      await registry.delete(deviceId);
      return emit({ deleted: deviceId });
    case "list":
      return emit({ devices: (await registry.list()).responseBody });
    default:
      throw new Error("unknown verb " + verb);
  }
}

async function main() {
  const [connectionString, port, verb, deviceId] = process.argv.slice(2);
  dial(port);
  try {
    await run(Registry.fromConnectionString(connectionString), verb, deviceId);
  } catch (error) {
    emit({ error: error.name, status: error.response && error.response.statusCode });
  }
  end();
}

main();
