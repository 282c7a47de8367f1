"""Back end: calls of azure-iot-hub's registry manager, one after the other. Trust comes from
REQUESTS_CA_BUNDLE.

usage: registry_calls.py CONNECTION_STRING CALLS

CALLS is a JSON list of [method, argument, ...]. An argument {"of": n, "member": name} is a member of
the result of call n, and one {"import": {...}} an item of a bulk call. Prints {"call": {"result": ...}}
or {"call": {"error": text, "status": n}} for each.
"""

import json
import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import ExportImportDevice
from msrest.exceptions import HttpOperationError

from lines import emit


def argument(value, results):
    if isinstance(value, list):
        return [argument(item, results) for item in value]
    if isinstance(value, dict) and "of" in value:
        return results[value["of"]][value["member"]]
    if isinstance(value, dict) and "import" in value:
        return ExportImportDevice.from_dict(value["import"])
    return value


def plain(result):
    if isinstance(result, list):
        return [plain(item) for item in result]
    return result.as_dict() if hasattr(result, "as_dict") else result


def main():
    registry = IoTHubRegistryManager.from_connection_string(sys.argv[1])
    results = []
    for method, *arguments in json.loads(sys.argv[2]):
        try:
            result = plain(getattr(registry, method)(*argument(arguments, results)))
            emit(call={"result": result})
        except HttpOperationError as error:
            result = None
            emit(call={"error": str(error), "status": error.response.status_code})
        results.append(result)


if __name__ == "__main__":
    main()
