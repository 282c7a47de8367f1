"""Administrator: calls of azure-mgmt-iothub, one after the other. Trust comes from
REQUESTS_CA_BUNDLE.

usage: provider_calls.py BASE_URL TOKEN SUBSCRIPTION CALLS

CALLS is a JSON list of [group, method, argument, ...]. An argument {"of": n, "at": [name, ...]} is a
member of the result of call n, {"of": n, "with": {...}} is that result with other attributes, and
{"named": {...}} are arguments by name. Long-running operations are waited for, pages collected.
Prints {"call": {"result": ...}} or {"call": {"error": class, "status": n, "text": text}} for each.
"""

import json
import sys
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.core.paging import ItemPaged
from azure.mgmt.iothub import IotHubClient

from lines import emit


class Credential:
    """A token that somebody has printed."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **kwargs):
        return AccessToken(self.token, int(time.time()) + 3600)


def argument(value, results):
    if isinstance(value, list):
        return [argument(item, results) for item in value]
    if not isinstance(value, dict):
        return value
    if "of" in value:
        result = results[value["of"]]
        for name in value.get("at", []):
            result = result[name] if isinstance(result, (dict, list)) else getattr(result, name)
        for name, other in value.get("with", {}).items():
            setattr(result, name, argument(other, results))
        return result
    return {name: argument(item, results) for name, item in value.items()}


def waited(result):
    if isinstance(result, ItemPaged):
        return list(result)
    return result.result() if hasattr(result, "polling_method") else result


def plain(result):
    if isinstance(result, list):
        return [plain(item) for item in result]
    return result.as_dict() if hasattr(result, "as_dict") else result


def main():
    base_url, token, subscription, calls = sys.argv[1:]
    client = IotHubClient(Credential(token), subscription, base_url=base_url, retry_total=0)
    results = []
    for group, method, *arguments in json.loads(calls):
        named = {}
        if arguments and isinstance(arguments[-1], dict) and "named" in arguments[-1]:
            named = argument(arguments.pop()["named"], results)
        call = getattr(getattr(client, group), method)
        try:
            result = waited(call(*argument(arguments, results), **named))
            emit(call={"result": plain(result)})
        except HttpResponseError as error:
            result = None
            kind = type(error).__name__
            emit(call={"error": kind, "status": error.status_code, "text": str(error)})
        results.append(result)


if __name__ == "__main__":
    main()
