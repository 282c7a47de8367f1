"""A device or module that uses its twin through azure-iot-device over MQTT.

Prints {"twin": {...}} as found, {"reported": true} once its report is stored, {"listening": true} once it hears
changes, one {"desired": {...}} per change, and after a change with the member "end" {"final": {...}}.
"""

import argparse
import threading

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient

from lines import emit

SECONDS_MAX = 120


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connection_string")
    parser.add_argument("--ca", required=True, help="PEM file with the hub's CA")
    parser.add_argument("--websockets", action="store_true")
    parser.add_argument("--bad", action="store_true", help="begin with a report that breaks a rule")
    return parser.parse_args()


def main():
    args = parse()
    is_module = ";ModuleId=" in args.connection_string
    kind = IoTHubModuleClient if is_module else IoTHubDeviceClient
    with open(args.ca, encoding="ascii") as ca:
        client = kind.create_from_connection_string(
            args.connection_string, server_verification_cert=ca.read(), websockets=args.websockets
        )
    ended = threading.Event()

    def on_desired(patch):
        emit(desired=patch)
        if "end" in patch:
            ended.set()

    try:
        client.connect()
        emit(twin=client.get_twin())
        if args.bad:
            try:
                client.patch_twin_reported_properties({"list": [1, None]})
            except Exception as error:  # the class of the refusal is the result
                emit(refused=type(error).__name__, cause=str(error.__cause__ or error))
        client.patch_twin_reported_properties({"fan": {"speed": 3, "mode": "eco"}, "old": 1})
        client.patch_twin_reported_properties({"fan": {"mode": None}, "old": None})
        emit(reported=True)
        client.on_twin_desired_properties_patch_received = on_desired
        emit(listening=True)
        if ended.wait(SECONDS_MAX):
            emit(final=client.get_twin())
    finally:
        client.shutdown()


if __name__ == "__main__":
    main()
