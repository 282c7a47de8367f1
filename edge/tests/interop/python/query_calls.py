"""Back end: queries through azure-iot-hub, page by page. Trust comes from REQUESTS_CA_BUNDLE.

usage: query_calls.py CONNECTION_STRING QUERIES

QUERIES is a JSON list of [query, page size]. Prints {"call": {"rows": [...], "type": text, "pages": n}}
or {"call": {"error": text, "status": n}} for each. The SDK knows rows as twins only, so a member with
a name of its own is not among them.
"""

import json
import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import QuerySpecification
from msrest.exceptions import HttpOperationError

from lines import emit


def ask(registry, query, size):
    rows, pages, token = [], 0, None
    while True:
        result = registry.query_iot_hub(QuerySpecification(query=query), token, size)
        rows += [item.as_dict() for item in result.items]
        pages += 1
        token = result.continuation_token
        if not token:
            return {"rows": rows, "type": result.type, "pages": pages}


def main():
    registry = IoTHubRegistryManager.from_connection_string(sys.argv[1])
    for query, size in json.loads(sys.argv[2]):
        try:
            emit(call=ask(registry, query, size))
        except HttpOperationError as error:
            emit(call={"error": str(error), "status": error.response.status_code})


if __name__ == "__main__":
    main()
