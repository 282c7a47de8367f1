"use strict";
// A field gateway on rhea: many devices share one AMQP connection, each with a token and links of its own.
// Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: gateway.js HOST HALF MESSAGES QUITTER
// The first line of standard input is [[device, token], ...]. Each of these devices puts its token, sends HALF
// messages one after the other, takes MESSAGES that wait for it, and, when a second line has come, sends HALF more;
// QUITTER closes its links instead. Prints {"refused": device} where a token does not count, {"half": devices} when
// all the others are halfway, {"detached": [device, condition]}, {"received": [device, body]}, and at the end
// {"accepted": [device, messages]}.

const readline = require("readline");
const rhea = require("rhea");
const { emit, end } = require("./lines");

const [host, half, messages, quitter] = process.argv.slice(2);
const HALF = Number(half);
const MESSAGES = Number(messages);
const devices = new Map();
let connection;
let target = HALF;

function open(identities) {
  connection = rhea.create_container().connect({
    transport: "tls",
    host,
    hostname: host,
    port: 5671,
    // Without a password this is ANONYMOUS.
    username: "gateway",
    reconnect: false,
  });
  const replies = connection.open_receiver({ source: "$cbs", name: "cbs-receiver" });
  const tokens = connection.open_sender({ target: "$cbs", name: "cbs-sender" });
  replies.on("message", ({ message }) => answered(message));
  tokens.once("sendable", () => {
    for (const [id, token] of identities) {
      devices.set(id, { id, sent: 0, accepted: 0, received: 0, is_gone: false });
      tokens.send({
        message_id: id,
        to: "$cbs",
        reply_to: "cbs",
        application_properties: {
          operation: "put-token",
          type: "servicebus.windows.net:sastoken",
          name: `${host}/devices/${id}`,
        },
        body: token,
      });
    }
  });
}

function answered({ correlation_id: id, application_properties: properties }) {
  const device = devices.get(id);
  if (properties["status-code"] >= 300) {
    device.is_gone = true;
    emit({ refused: id });
    return check();
  }
  // rhea finds a link by its name alone, whichever way it goes.
  const [events, queue] = ["events", "devicebound"].map((end) => `/devices/${id}/messages/${end}`);
  const sender = connection.open_sender({ target: events, name: events });
  const receiver = connection.open_receiver({ source: queue, name: queue });
  Object.assign(device, { sender, receiver });
  sender.once("sendable", () => send(device));
  sender.on("accepted", () => {
    device.accepted += 1;
    send(device);
    check();
  });
  receiver.on("message", ({ message }) => {
    device.received += 1;
    emit({ received: [id, message.body.content.toString()] });
    check();
  });
  for (const [link, kind] of [[sender, "sender"], [receiver, "receiver"]]) {
    link.on(`${kind}_error`, () => {
      device.is_gone = true;
      emit({ detached: [id, link.error.condition] });
      check();
    });
  }
}

function send(device) {
  if (device.is_gone || device.sent >= target) return;
  const body = Buffer.from(`${device.sent}`);
  device.sent += 1;
  device.sender.send({ message_id: `${device.sent}`, body: rhea.message.data_section(body) });
}

/** Whether all that are left have come as far as they are to come. */
function check() {
  const left = [...devices.values()].filter((device) => !device.is_gone);
  const is_done = (device) => device.accepted === target && device.received === MESSAGES;
  if (!left.every(is_done)) return;
  if (target === HALF) {
    emit({ half: left.length });
    return;
  }
  for (const { id, accepted } of devices.values()) emit({ accepted: [id, accepted] });
  connection.once("connection_close", end);
  connection.close();
}

function go() {
  target = 2 * HALF;
  const leaving = devices.get(quitter);
  leaving.is_gone = true;
  leaving.sender.close();
  leaving.receiver.close();
  for (const device of devices.values()) send(device);
}

const steps = [(line) => open(JSON.parse(line)), go];
readline.createInterface({ input: process.stdin }).on("line", (line) => steps.shift()(line));
