"""A device or module that answers methods through azure-iot-device over MQTT.

echo answers 200 with {"name": ..., "payload": ...} as received; status answers with the status that
its payload names and no payload; silent never answers.

Prints {"state": "listening"} once it is subscribed and {"method": name} for every call; runs until
it is ended.
"""

import argparse
import threading

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, MethodResponse

from lines import emit


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connection_string")
    parser.add_argument("--ca", required=True, help="PEM file with the hub's CA")
    parser.add_argument("--websockets", action="store_true")
    return parser.parse_args()


def answer(request):
    if request.name == "echo":
        return 200, {"name": request.name, "payload": request.payload}
    return request.payload["status"], None


def main():
    args = parse()
    is_module = "ModuleId=" in args.connection_string
    kind = IoTHubModuleClient if is_module else IoTHubDeviceClient
    with open(args.ca, encoding="ascii") as ca:
        client = kind.create_from_connection_string(
            args.connection_string,
            server_verification_cert=ca.read(),
            websockets=args.websockets,
        )

    def on_method(request):
        emit(method=request.name)
        if request.name != "silent":
            status, payload = answer(request)
            response = MethodResponse.create_from_method_request(request, status, payload)
            client.send_method_response(response)

    client.connect()
    client.on_method_request_received = on_method
    emit(state="listening")
    threading.Event().wait()


if __name__ == "__main__":
    main()
