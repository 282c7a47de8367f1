"""Back end: the identity registry through azure-iot-hub. Trust comes from REQUESTS_CA_BUNDLE.

usage: registry.py CONNECTION_STRING create|get|enable|disable|delete DEVICE_ID
       registry.py CONNECTION_STRING list

Prints {"device": {...}}, {"devices": [...]}, {"deleted": id} or {"error": text, "status": n}.
"""

import sys

from azure.iot.hub import IoTHubRegistryManager
from msrest.exceptions import HttpOperationError

from lines import emit


def set_status(registry, device_id, status):
    device = registry.get_device(device_id)
    keys = device.authentication.symmetric_key
    return registry.update_device_with_sas(
        device_id, device.etag, keys.primary_key, keys.secondary_key, status
    )


def run(registry, verb, device_id):
    if verb == "create":
        # Empty keys ask the hub to make them.
        device = registry.create_device_with_sas(device_id, "", "", "enabled")
        emit(device=device.as_dict())
    elif verb == "get":
        emit(device=registry.get_device(device_id).as_dict())
    elif verb in ("enable", "disable"):
        emit(device=set_status(registry, device_id, verb + "d").as_dict())
    elif verb == "delete":
        registry.delete_device(device_id)
        emit(deleted=device_id)
    elif verb == "list":
        emit(devices=[device.as_dict() for device in registry.get_devices()])
    else:
        raise SystemExit(__doc__)


def main():
    connection_string, verb, *rest = sys.argv[1:]
    registry = IoTHubRegistryManager.from_connection_string(connection_string)
    try:
        run(registry, verb, rest[0] if rest else None)
    except HttpOperationError as error:
        emit(error=str(error), status=error.response.status_code)


if __name__ == "__main__":
    main()
