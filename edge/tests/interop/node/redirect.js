"use strict";
// Back end: asks the hub for its event endpoint as a rhea-promise program does that awaits its receiver before
// it listens for the redirect. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: redirect.js HOST USER PASSWORD ROUNDS
// Prints {"redirect": address} per round, or {"missed": round} after fifteen seconds.

const { Connection, ReceiverEvents } = require("rhea-promise");
const { emit, end } = require("./lines");

async function discover(host, username, password) {
  const connection = new Connection({
    transport: "tls",
    host,
    hostname: host,
    port: 5671,
    username,
    password,
    reconnect: false,
  });
  await connection.open();
  const address = `amqps://${host}/messages/events/$management`;
  const receiver = await connection.createReceiver({ source: { address } });
  const told = await new Promise((resolve) => {
    const patience = setTimeout(() => resolve(null), 15000);
    receiver.once(ReceiverEvents.receiverError, (context) => {
      clearTimeout(patience);
      resolve(context.receiver.error);
    });
  });
  await connection.close();
  return told;
}

async function main() {
  const [host, username, password, rounds] = process.argv.slice(2);
  for (let round = 0; round < Number(rounds); round += 1) {
    const told = await discover(host, username, password);
    if (told && told.condition === "amqp:link:redirect") emit({ redirect: told.info.address });
    else emit({ missed: round, condition: told && told.condition });
  }
  end();
}

main().catch((error) => {
  emit({ error: error.name, cause: String(error.message) });
  end();
});
