"use strict";
// Back end: queries through azure-iothub, page by page. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: query_calls.js CONNECTION_STRING HTTPS_PORT QUERIES
// QUERIES is a JSON list of [query, page size]. Prints
// {"call": {"rows": [...], "type": text, "pages": n}} or {"call": {"error": text, "status": n}}
// for each.

const { Registry } = require("azure-iothub");
const { dial } = require("./https_port");
const { emit, end } = require("./lines");

async function ask(registry, text, size) {
  const query = registry.createQuery(text, size);
  let rows = [];
  let pages = 0;
  let type;
  while (query.hasMoreResults) {
    const { result, message } = await query.next(query.continuationToken);
    type = message.headers["x-ms-item-type"];
    rows = rows.concat(result);
    pages += 1;
  }
  return { rows, type, pages };
}

async function main() {
  const [connectionString, port, queries] = process.argv.slice(2);
  dial(port);
  const registry = Registry.fromConnectionString(connectionString);
  for (const [text, size] of JSON.parse(queries)) {
    try {
      emit({ call: await ask(registry, text, size) });
    } catch (error) {
      const status = error.response && error.response.statusCode;
      emit({ call: { error: String(error.responseBody || error), status } });
    }
  }
  end();
}

main();
