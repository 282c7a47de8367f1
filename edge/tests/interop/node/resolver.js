"use strict";
// Finds every name below localhost at RINGHUB_ADDRESS, as a list of hosts would. Loaded by
// NODE_OPTIONS, so that no SDK has to know.

const dns = require("dns");

const find = dns.lookup;

dns.lookup = (host, ...rest) =>
  find(String(host).endsWith(".localhost") ? process.env.RINGHUB_ADDRESS : host, ...rest);
