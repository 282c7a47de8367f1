"use strict";
// Back end: reads events through @azure/event-hubs. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: reader.js '{"connectionString":…, "expect":n, "seconds":s, "start":…, "partition":…,
//                    "ownerLevel":n, "track":bool, "webSocketEndpoint":"sb://host:port"}'
// Prints {"event": {...}} per event, {"error": code, "condition": text, "partition": p} per receiver error
// and {"lines": "end"}.

const { EventHubConsumerClient, earliestEventPosition } = require("@azure/event-hubs");
const WebSocket = require("ws");
const { emit, end } = require("./lines");

// The SDK renames the AMQP properties; the tests speak of them by their AMQP names.
const AMQP_NAMES = {
  messageId: "message-id",
  userId: "user-id",
  to: "to",
  correlationId: "correlation-id",
  contentType: "content-type",
  contentEncoding: "content-encoding",
};

function system(event) {
  const named = {};
  for (const [name, value] of Object.entries(event.systemProperties || {})) {
    named[AMQP_NAMES[name] || name] = value;
  }
  for (const name of ["messageId", "correlationId", "contentType"]) {
    if (event[name] !== undefined) named[AMQP_NAMES[name]] = event[name];
  }
  return named;
}

function describe(context, event) {
  return {
    partition: context.partitionId,
    offset: event.offset,
    sequence_number: event.sequenceNumber,
    enqueued_time_ms: event.enqueuedTimeUtc.getTime(),
    body: Buffer.from(event.body).toString("utf8"),
    properties: event.properties || {},
    system: system(event),
    last_enqueued: context.lastEnqueuedEventProperties || null,
  };
}

function clientOf(options) {
  const webSocket = options.webSocketEndpoint && {
    webSocketOptions: { webSocket: WebSocket },
    customEndpointAddress: options.webSocketEndpoint,
  };
  return new EventHubConsumerClient("$Default", options.connectionString, {
    retryOptions: { maxRetries: 1, retryDelayInMs: 200 },
    ...webSocket,
  });
}

function receive(client, options) {
  return new Promise((resolve) => {
    let seen = 0;
    setTimeout(resolve, options.seconds * 1000);
    const handlers = {
      processEvents: async (events, context) => {
        for (const event of events) {
          if (options.expect && seen >= options.expect) return;
          seen += 1;
          emit({ event: describe(context, event) });
        }
        if (options.expect && seen >= options.expect) resolve();
      },
      processError: async (error, context) => {
        // The SDK retries some refusals and then reports all of them as one.
        const last = error.errors ? error.errors.at(-1) : error;
        emit({ error: last.code || last.name, condition: last.message, partition: context.partitionId });
      },
    };
    const settings = {
      startPosition: options.start || earliestEventPosition,
      ownerLevel: options.ownerLevel,
      trackLastEnqueuedEventProperties: Boolean(options.track),
      skipParsingBodyAsJson: true,
      maxWaitTimeInSeconds: 1,
    };
    if (options.partition) client.subscribe(options.partition, handlers, settings);
    else client.subscribe(handlers, settings);
  });
}

async function main() {
  const options = JSON.parse(process.argv[2]);
  const client = clientOf(options);
  if (options.metadata) {
    emit({ hub: await client.getEventHubProperties() });
    for (const partition of await client.getPartitionIds()) {
      emit({ partition: await client.getPartitionProperties(partition) });
    }
  } else {
    await receive(client, options);
  }
  emit({ lines: "end" });
  end();
}

main().catch((error) => {
  emit({ error: error.code || error.name, condition: error.message });
  end();
});
