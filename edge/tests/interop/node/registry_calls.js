"use strict";
// Back end: calls of azure-iothub's Registry, one after the other. Trust comes from
// NODE_EXTRA_CA_CERTS.
//
// usage: registry_calls.js CONNECTION_STRING HTTPS_PORT CALLS
// CALLS is a JSON list of [method, argument, ...]. A member {"of": n, "member": name} of an argument
// is a member of the result of call n, and {"of": n} is the result itself. Prints {"call": {"result": ...}} or
// {"call": {"error": name, "status": n}} for each.

const { Registry } = require("azure-iothub");
const { dial } = require("./https_port");
const { emit, end } = require("./lines");

function resolve(value, results) {
  if (Array.isArray(value)) {
    return value.map((item) => resolve(item, results));
  }
  if (value === null || typeof value !== "object") {
    return value;
  }
  if ("of" in value) {
    return "member" in value ? results[value.of][value.member] : results[value.of];
  }
  const members = Object.entries(value).map(([name, member]) => [name, resolve(member, results)]);
  return Object.fromEntries(members);
}

async function main() {
  const [connectionString, port, calls] = process.argv.slice(2);
  dial(port);
  const registry = Registry.fromConnectionString(connectionString);
  const results = [];
  for (const [method, ...args] of JSON.parse(calls)) {
    try {
      const answer = await registry[method](...resolve(args, results));
      const result = answer && "responseBody" in answer ? answer.responseBody : answer;
      results.push(result);
      emit({ call: { result: result === undefined ? null : result } });
    } catch (error) {
      results.push(null);
      emit({ call: { error: error.name, status: error.response && error.response.statusCode } });
    }
  }
  end();
}

main();
