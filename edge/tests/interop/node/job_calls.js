"use strict";
// Back end: scheduled jobs through azure-iothub. Trust comes from NODE_EXTRA_CA_CERTS.
//
// usage: job_calls.js CONNECTION_STRING HTTPS_PORT CALLS
// CALLS is a JSON list of ["twin", id, condition, patch, start, seconds],
// ["method", id, condition, method, start, seconds], ["get", id], ["cancel", id], ["wait", id],
// which polls until the job has ended, and ["list", type, status, page size]. Prints {"call": job},
// {"call": {"rows": [...], "type": text, "pages": n}} or {"call": {"code": text, "status": n}}.

const https = require("https");

const [connectionString, port, calls] = process.argv.slice(2);
// The client of jobs dials 443 with an agent of its own, which takes a port as others do.
https.Agent = class extends https.Agent {
  constructor(options) {
    super({ ...options, port: Number(port) });
  }
};

const { JobClient } = require("azure-iothub");
const { emit, end } = require("./lines");

const MILLISECONDS_MAX = 120000;

const date = (text) => (text ? new Date(text) : undefined);

async function wait(jobs, id) {
  const until = Date.now() + MILLISECONDS_MAX;
  for (;;) {
    const { jobStatus } = await jobs.getJob(id);
    if (["completed", "failed", "cancelled"].includes(jobStatus.status)) {
      return jobStatus;
    }
    if (Date.now() > until) {
      throw new Error(`${id} is ${jobStatus.status}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function list(jobs, kind, status, size) {
  const query = jobs.createQuery(kind, status, size);
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

async function run(jobs, [name, ...args]) {
  const [id, condition, what, start, seconds] = args;
  switch (name) {
    case "twin":
      return (await jobs.scheduleTwinUpdate(id, condition, what, date(start), seconds)).jobStatus;
    case "method":
      return (await jobs.scheduleDeviceMethod(id, condition, what, date(start), seconds)).jobStatus;
    case "get":
      return (await jobs.getJob(id)).jobStatus;
    case "cancel":
      return (await jobs.cancelJob(id)).jobStatus;
    case "wait":
      return wait(jobs, id);
    default:
      return list(jobs, ...args);
  }
}

async function main() {
  const jobs = JobClient.fromConnectionString(connectionString);
  for (const call of JSON.parse(calls)) {
    try {
      emit({ call: await run(jobs, call) });
    } catch (error) {
      if (!error.response) {
        throw error;
      }
      const code = error.response.headers["iothub-errorcode"];
      emit({ call: { code, status: error.response.statusCode } });
    }
  }
  end();
}

main();
