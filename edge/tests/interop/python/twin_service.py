"""Back end: twins through azure-iot-hub. Trust comes from REQUESTS_CA_BUNDLE.

usage: twin_service.py CONNECTION_STRING DEVICE_ID MODULE_ID|- get
       twin_service.py CONNECTION_STRING DEVICE_ID MODULE_ID|- patch|replace TWIN_JSON [ETAG]
       twin_service.py CONNECTION_STRING DEVICE_ID MODULE_ID|- count N

`count` changes the desired property "n" from 1 to N. Prints {"twin": {...}} or {"error": text, "status": n}.
"""

import json
import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from lines import emit


def twin_of(text):
    value = json.loads(text)
    properties = TwinProperties(desired=value.get("desired"))
    return Twin(tags=value.get("tags"), properties=properties)


def run(registry, device, module, verb, arguments):
    names = (device,) if module == "-" else (device, module)
    kind = "twin" if module == "-" else "module_twin"
    call = lambda action, *rest: getattr(registry, "%s_%s" % (action, kind))(*names, *rest)
    if verb == "get":
        return call("get")
    if verb == "patch":
        return call("update", twin_of(arguments[0]), *arguments[1:])
    if verb == "replace":
        return call("replace", twin_of(arguments[0]), *arguments[1:])
    if verb == "count":
        for number in range(1, int(arguments[0]) + 1):
            twin = call("update", Twin(properties=TwinProperties(desired={"n": number})))
        return twin
    raise SystemExit(__doc__)


def main():
    connection_string, device, module, verb, *arguments = sys.argv[1:]
    registry = IoTHubRegistryManager.from_connection_string(connection_string)
    try:
        emit(twin=run(registry, device, module, verb, arguments).serialize(keep_readonly=True))
    except HttpOperationError as error:
        emit(error=str(error), status=error.response.status_code)


if __name__ == "__main__":
    main()
