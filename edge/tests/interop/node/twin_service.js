"use strict";
// Back end: twins through azure-iothub. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: twin_service.js CONNECTION_STRING HTTPS_PORT DEVICE_ID MODULE_ID|- get
//        twin_service.js CONNECTION_STRING HTTPS_PORT DEVICE_ID MODULE_ID|- patch TWIN_JSON [ETAG]
//        twin_service.js CONNECTION_STRING HTTPS_PORT DEVICE_ID MODULE_ID|- count N
//
// `count` changes the desired property "n" from 1 to N. Prints {"twin": {...}} or {"error": name, "status": n}.

const { Registry } = require("azure-iothub");
const { dial } = require("./https_port");
const { emit, end } = require("./lines");

async function run(registry, device, module, verb, [first, etag = "*"]) {
  const isModule = module !== "-";
  const get = () => (isModule ? registry.getModuleTwin(device, module) : registry.getTwin(device));
  const update = (patch, tag) =>
    isModule
      ? registry.updateModuleTwin(device, module, patch, tag)
      : registry.updateTwin(device, patch, tag);
  switch (verb) {
    case "get":
      return (await get()).responseBody;
    case "patch": {
      const { tags, desired } = JSON.parse(first);
      return (await update({ tags, properties: { desired } }, etag)).responseBody;
    }
    case "count": {
      let twin;
      for (let n = 1; n <= Number(first); n += 1) {
        twin = (await update({ properties: { desired: { n } } }, "*")).responseBody;
      }
      return twin;
    }
    default:
      throw new Error("unknown verb " + verb);
  }
}

async function main() {
  const [connectionString, port, device, module, verb, ...rest] = process.argv.slice(2);
  dial(port);
  try {
    const registry = Registry.fromConnectionString(connectionString);
    const twin = await run(registry, device, module, verb, rest);
    emit({ twin: twin.toJSON() });
  } catch (error) {
    emit({ error: error.name, status: error.response && error.response.statusCode });
  }
  end();
}

main();
