"""Back end: calls of azure-iot-hub's configuration manager, one after the other. Trust comes from
REQUESTS_CA_BUNDLE.

usage: configuration_calls.py CONNECTION_STRING CALLS

CALLS is a JSON list of [method, argument, ...]. An argument {"of": n} is the result of call n,
{"configuration": {...}}, {"content": {...}} and {"test": {...}} are objects of the SDK. Prints
{"call": {"result": ...}} or {"call": {"error": text, "status": n}} for each.
"""

import json
import sys

from azure.iot.hub import IoTHubConfigurationManager
from azure.iot.hub.models import Configuration, ConfigurationContent, ConfigurationQueriesTestInput
from msrest.exceptions import HttpOperationError

from lines import emit

OBJECTS = {
    "configuration": Configuration,
    "content": ConfigurationContent,
    "test": ConfigurationQueriesTestInput,
}


def argument(value, results):
    if not isinstance(value, dict):
        return value
    ((name, inner),) = value.items()
    return results[inner] if name == "of" else OBJECTS[name].from_dict(inner)


def plain(result):
    if isinstance(result, list):
        return [plain(item) for item in result]
    return result.as_dict() if hasattr(result, "as_dict") else result


def main():
    manager = IoTHubConfigurationManager.from_connection_string(sys.argv[1])
    results = []
    for method, *arguments in json.loads(sys.argv[2]):
        try:
            result = getattr(manager, method)(*[argument(item, results) for item in arguments])
            emit(call={"result": plain(result)})
        except HttpOperationError as error:
            result = None
            emit(call={"error": str(error), "status": error.response.status_code})
        results.append(result)


if __name__ == "__main__":
    main()
