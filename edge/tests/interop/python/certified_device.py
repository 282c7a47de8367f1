"""A device that proves itself with a certificate, through azure-iot-device over MQTT: sends and receives of all kinds.

Prints {"acknowledged": true} for its telemetry, {"reported": true} for its report, {"listening": true} once it hears all,
then {"message": text}, {"method": name} and {"desired": {...}} as they come, and ends when it has one of each. Prints
{"error": class, "cause": text} when refused.
"""

import argparse
import threading

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse, X509

from lines import emit

SECONDS_MAX = 120


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("device_id")
    parser.add_argument("--cert", required=True, help="PEM file: the certificate, and those between")
    parser.add_argument("--key", required=True, help="PEM file")
    parser.add_argument("--ca", required=True, help="PEM file with the hub's CA")
    parser.add_argument("--websockets", action="store_true")
    return parser.parse_args()


def main():
    args = parse()
    with open(args.ca, encoding="ascii") as ca:
        client = IoTHubDeviceClient.create_from_x509_certificate(
            X509(args.cert, args.key),
            args.host,
            args.device_id,
            server_verification_cert=ca.read(),
            websockets=args.websockets,
            connection_retry=False,
        )
    came = [threading.Event() for _ in range(3)]
    message_came, method_came, desired_came = came

    def on_message(message):
        emit(message=message.data)
        message_came.set()

    def on_method(request):
        emit(method=request.name)
        response = MethodResponse.create_from_method_request(request, 200, request.payload)
        client.send_method_response(response)
        method_came.set()

    def on_desired(patch):
        emit(desired=patch)
        desired_came.set()

    try:
        client.connect()
        client.send_message(Message("certified"))
        emit(acknowledged=True)
        client.patch_twin_reported_properties({"certified": True})
        emit(reported=client.get_twin()["reported"]["certified"])
        client.on_message_received = on_message
        client.on_method_request_received = on_method
        client.on_twin_desired_properties_patch_received = on_desired
        emit(listening=True)
        for event in came:
            event.wait(SECONDS_MAX)
        # The SDK acknowledges a message after the callback; what is answered later comes later.
        client.get_twin()
    except Exception as error:  # every class of refusal is a result here
        emit(error=type(error).__name__, cause=str(error.__cause__ or error))
    finally:
        client.shutdown()


if __name__ == "__main__":
    main()
