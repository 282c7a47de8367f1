"""A device: sends telemetry through azure-iot-device over MQTT.

Prints {"state": "connected"}, one {"acknowledged": message_id} per message in order,
{"state": "disconnected"} when the hub cuts it off, and {"error": class, "cause": text} when refused.
"""

import argparse
import threading

from azure.iot.device import IoTHubDeviceClient, Message

from lines import emit


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connection_string")
    parser.add_argument("--ca", required=True, help="PEM file with the hub's CA")
    parser.add_argument("--websockets", action="store_true")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--prefix", default="m", help="message ids are PREFIX-0, PREFIX-1, ...")
    parser.add_argument("--hold", type=float, default=0, help="seconds to stay for a cut-off")
    return parser.parse_args()


def telemetry(prefix, number):
    message = Message('{"n":%d}' % number)
    message.message_id = "%s-%d" % (prefix, number)
    message.correlation_id = "%s-correlation" % prefix
    message.content_type = "application/json"
    message.content_encoding = "utf-8"
    message.custom_properties["level"] = "hot spot"
    message.custom_properties["sign & sum"] = "a=b/c+ü"
    return message


def main():
    args = parse()
    with open(args.ca, encoding="ascii") as ca:
        client = IoTHubDeviceClient.create_from_connection_string(
            args.connection_string,
            server_verification_cert=ca.read(),
            websockets=args.websockets,
            connection_retry=False,
            auto_connect=False,
        )
    disconnected = threading.Event()

    def on_state_change():
        if not client.connected:
            disconnected.set()

    client.on_connection_state_change = on_state_change
    try:
        client.connect()
        emit(state="connected")
        for number in range(args.count):
            message = telemetry(args.prefix, number)
            client.send_message(message)
            emit(acknowledged=message.message_id)
        if args.hold and disconnected.wait(args.hold):
            emit(state="disconnected")
            client.connect()
            emit(state="connected")
    except Exception as error:  # every class of refusal is a result here
        emit(error=type(error).__name__, cause=str(error.__cause__ or error))
    finally:
        client.shutdown()


if __name__ == "__main__":
    main()
