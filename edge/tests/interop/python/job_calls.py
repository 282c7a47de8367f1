"""Back end: scheduled jobs through azure-iot-hub. Trust comes from REQUESTS_CA_BUNDLE.

usage: job_calls.py CONNECTION_STRING CALLS

CALLS is a JSON list of ["create", id, request], ["get", id], ["cancel", id] or ["wait", id], which
polls until the job has ended. Prints {"call": job} or {"call": {"code": text, "status": n}} for each.
"""

import json
import sys
import time

from azure.iot.hub import IoTHubJobManager
from azure.iot.hub.models import CloudToDeviceMethod, JobRequest, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from lines import emit

SECONDS_MAX = 120


def request(job_id, fields):
    method, patch = fields.pop("method", None), fields.pop("patch", None)
    if method is not None:
        method = CloudToDeviceMethod(**method)
    if patch is not None:
        properties = TwinProperties(desired=patch.get("desired"))
        patch = Twin(etag="*", tags=patch.get("tags"), properties=properties)
    return JobRequest(job_id=job_id, cloud_to_device_method=method, update_twin=patch, **fields)


def wait(jobs, job_id):
    until = time.monotonic() + SECONDS_MAX
    while True:
        job = jobs.get_scheduled_job(job_id)
        if job.status in ("completed", "failed", "cancelled"):
            return job
        if time.monotonic() > until:
            raise TimeoutError(f"{job_id} is {job.status}")
        time.sleep(0.05)


def run(jobs, call):
    name, job_id = call[:2]
    if name == "create":
        return jobs.create_scheduled_job(job_id, request(job_id, call[2]))
    if name == "cancel":
        return jobs.cancel_scheduled_job(job_id)
    return wait(jobs, job_id) if name == "wait" else jobs.get_scheduled_job(job_id)


def main():
    jobs = IoTHubJobManager.from_connection_string(sys.argv[1])
    for call in json.loads(sys.argv[2]):
        try:
            emit(call=run(jobs, call).serialize(keep_readonly=True))
        except HttpOperationError as error:
            code = error.response.headers.get("iothub-errorcode")
            emit(call={"code": code, "status": error.response.status_code})


if __name__ == "__main__":
    main()
