"""Back end: calls methods through azure-iot-hub, all at once. Trust comes from REQUESTS_CA_BUNDLE.

usage: methods.py CONNECTION_STRING CALLS

CALLS is a JSON array of {"device", "module", "name", "payload", "response", "connect"}; only device
and name must be there. Prints per call, in their order, {"called": {"status", "payload"}}, or
{"called": {"http", "code", "body"}} when the hub refuses.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod
from msrest.exceptions import HttpOperationError

from lines import emit


def invoke(connection_string, call):
    registry = IoTHubRegistryManager.from_connection_string(connection_string)
    method = CloudToDeviceMethod(
        method_name=call["name"],
        payload=call.get("payload"),
        response_timeout_in_seconds=call.get("response"),
        connect_timeout_in_seconds=call.get("connect"),
    )
    try:
        if call.get("module"):
            args = (call["device"], call["module"], method)
            result = registry.invoke_device_module_method(*args)
        else:
            result = registry.invoke_device_method(call["device"], method)
        return {"status": result.status, "payload": result.payload}
    except HttpOperationError as error:
        response = error.response
        code = response.headers.get("iothub-errorcode")
        return {"http": response.status_code, "code": code, "body": response.json()}


def main():
    connection_string, calls = sys.argv[1:]
    calls = json.loads(calls)
    with ThreadPoolExecutor(len(calls)) as pool:
        for called in pool.map(lambda call: invoke(connection_string, call), calls):
            emit(called=called)


if __name__ == "__main__":
    main()
