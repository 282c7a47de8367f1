"use strict";
// A device or module that uses its twin through azure-iot-device. Trust comes from
// NODE_EXTRA_CA_CERTS.
//
// usage: twin_device.js CONNECTION_STRING TRANSPORT [bad]
// Prints {"twin": {...}} as found, {"reported": true} once its report is stored, {"listening": true} once it hears
// changes, one {"desired": {...}} per change, and after a change with the member "end" {"final": {...}}.

const { Client, ModuleClient } = require("azure-iot-device");
const { emit, end } = require("./lines");
const { transport } = require("./transport");

const report = (twin, patch) =>
  new Promise((resolve, reject) =>
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()))
  );

const properties = ({ properties: { desired, reported } }) =>
  JSON.parse(JSON.stringify({ desired, reported }));

async function main() {
  const [connectionString, name, bad] = process.argv.slice(2);
  const kind = connectionString.includes(";ModuleId=") ? ModuleClient : Client;
  const client = kind.fromConnectionString(connectionString, transport(name));
  await client.open();
  const twin = await client.getTwin();
  emit({ twin: properties(twin) });
  if (bad) {
    await report(twin, { list: [1, null] }).catch((error) =>
      emit({ refused: error.name, cause: String(error.message) })
    );
  }
  await report(twin, { fan: { speed: 3, mode: "eco" }, old: 1 });
  await report(twin, { fan: { mode: null }, old: null });
  emit({ reported: true });
  const ended = new Promise((resolve) =>
    twin.on("properties.desired", (patch) => {
      emit({ desired: patch });
      if ("end" in patch) {
        resolve();
      }
    })
  );
  // The listener subscribes without saying when; requests of one connection are served in turn.
  await report(twin, { listening: true });
  emit({ listening: true });
  await ended;
  // The SDK tells listeners of what it reads, too.
  twin.removeAllListeners("properties.desired");
  await twin.get();
  emit({ final: properties(twin) });
  end();
}

main();
