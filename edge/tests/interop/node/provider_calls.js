"use strict";
// Administrator: calls of @azure/arm-iothub, one after the other. Trust comes from
// NODE_EXTRA_CA_CERTS.
//
// usage: provider_calls.js ENDPOINT TOKEN SUBSCRIPTION CALLS
// CALLS is a JSON list of [group, method, argument, ...]. An argument {"of": n, "at": [name, ...]} is
// a member of the result of call n, {"of": n, "with": {...}} is that result with other members.
// Pages are collected. Prints {"call": {"result": ...}} or {"call": {"error": name, "status": n,
// "text": text}} for each.

const { IotHubClient } = require("@azure/arm-iothub");
const { emit, end } = require("./lines");

function resolve(value, results) {
  if (Array.isArray(value)) {
    return value.map((item) => resolve(item, results));
  }
  if (value === null || typeof value !== "object") {
    return value;
  }
  if ("of" in value) {
    const found = (value.at || []).reduce((from, name) => from[name], results[value.of]);
    return value.with ? { ...found, ...resolve(value.with, results) } : found;
  }
  const members = Object.entries(value).map(([name, member]) => [name, resolve(member, results)]);
  return Object.fromEntries(members);
}

async function all(pages) {
  const items = [];
  for await (const item of pages) {
    items.push(item);
  }
  return items;
}

async function main() {
  const [endpoint, token, subscription, calls] = process.argv.slice(2);
  const credential = {
    getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600000 }),
  };
  const retryOptions = { maxRetries: 0 };
  const client = new IotHubClient(credential, subscription, { endpoint, retryOptions });
  const results = [];
  for (const [group, method, ...args] of JSON.parse(calls)) {
    try {
      const answer = client[group][method](...resolve(args, results));
      const isPaged = answer && typeof answer.byPage === "function";
      const result = isPaged ? await all(answer) : await answer;
      results.push(result);
      emit({ call: { result: result === undefined ? null : result } });
    } catch (error) {
      results.push(null);
      emit({ call: { error: error.name, status: error.statusCode, text: error.message } });
    }
  }
  end();
}

main();
