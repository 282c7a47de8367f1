"""A device: receives cloud-to-device messages through azure-iot-device over MQTT.

Prints {"state": "connected"} once it is subscribed, and one {"message": {...}} per message.
"""

import argparse
import threading

from azure.iot.device import IoTHubDeviceClient

from lines import emit


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connection_string")
    parser.add_argument("--ca", required=True, help="PEM file with the hub's CA")
    parser.add_argument("--websockets", action="store_true")
    parser.add_argument("--expect", type=int, required=True, help="messages to wait for")
    parser.add_argument("--seconds", type=float, default=60, help="longest wait")
    return parser.parse_args()


def described(message):
    return {
        "body": message.data,
        "message_id": message.message_id,
        "correlation_id": message.correlation_id,
        "user_id": message.user_id,
        "expiry": message.expiry_time_utc,
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "properties": message.custom_properties,
    }


def main():
    args = parse()
    with open(args.ca, encoding="ascii") as ca:
        client = IoTHubDeviceClient.create_from_connection_string(
            args.connection_string,
            server_verification_cert=ca.read(),
            websockets=args.websockets,
        )
    left = threading.Semaphore(0)

    def on_message(message):
        emit(message=described(message))
        left.release()

    try:
        client.connect()
        client.on_message_received = on_message
        emit(state="connected")
        for _ in range(args.expect):
            if not left.acquire(timeout=args.seconds):
                emit(timeout=args.expect)
                break
        # The SDK acknowledges a message after the callback; what is answered later comes later.
        client.get_twin()
    finally:
        client.shutdown()


if __name__ == "__main__":
    main()
