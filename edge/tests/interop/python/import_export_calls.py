"""Back end: import and export jobs through azure-iot-hub. Trust comes from REQUESTS_CA_BUNDLE.

usage: import_export_calls.py CONNECTION_STRING CALLS

CALLS is a JSON list of ["create", fields], ["get", n], ["cancel", n] or ["wait", n], which polls
until the job that the n-th create has made has ended, and ["list"]. Prints {"call": job}, {"call":
[job, ...]} or {"call": {"code": text, "status": n}} for each.
"""

import json
import sys
import time

from azure.iot.hub import IoTHubJobManager
from azure.iot.hub.models import JobProperties
from msrest.exceptions import HttpOperationError

from lines import emit

SECONDS_MAX = 120


def wait(jobs, job_id):
    until = time.monotonic() + SECONDS_MAX
    while True:
        job = jobs.get_import_export_job(job_id)
        if job.status in ("completed", "failed", "cancelled"):
            return job
        if time.monotonic() > until:
            raise TimeoutError(f"{job_id} is {job.status}")
        time.sleep(0.05)


def run(jobs, call, made):
    name = call[0]
    if name == "create":
        job = jobs.create_import_export_job(JobProperties(**call[1]))
        made.append(job.job_id)
        return job
    if name == "list":
        return jobs.get_import_export_jobs()
    job_id = made[call[1]] if isinstance(call[1], int) else call[1]
    if name == "cancel":
        return jobs.cancel_import_export_job(job_id)
    return wait(jobs, job_id) if name == "wait" else jobs.get_import_export_job(job_id)


def shown(result):
    if isinstance(result, list):
        return [shown(job) for job in result]
    return result.serialize(keep_readonly=True) if isinstance(result, JobProperties) else result


def main():
    jobs = IoTHubJobManager.from_connection_string(sys.argv[1])
    made = []
    for call in json.loads(sys.argv[2]):
        try:
            emit(call=shown(run(jobs, call, made)))
        except HttpOperationError as error:
            code = error.response.headers.get("iothub-errorcode")
            emit(call={"code": code, "status": error.response.status_code})


if __name__ == "__main__":
    main()
