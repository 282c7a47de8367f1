"use strict";
// The service SDK always dials 443; Node's own default agent can be told another port.

const https = require("https");

function dial(port) {
  if (port !== "443") {
    https.globalAgent = new https.Agent({ port: Number(port) });
  }
}

module.exports = { dial };
