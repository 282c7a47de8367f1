"""Back end: sends cloud-to-device messages through azure-iot-hub, over uamqp.

usage: c2d_service.py CONNECTION_STRING DEVICE_ID MESSAGES [websocket]

MESSAGES is a JSON array of [body, properties]. Prints {"sent": body} or {"refused": text} per message.
Trust comes from REQUESTS_CA_BUNDLE: uamqp knows no other place than certifi's.
"""

import json
import os
import sys

import certifi

certifi.where = lambda: os.environ["REQUESTS_CA_BUNDLE"]

from azure.iot.hub import IoTHubRegistryManager  # noqa: E402
from uamqp import TransportType  # noqa: E402

from lines import emit  # noqa: E402


def main():
    connection_string, device_id, messages = sys.argv[1:4]
    websocket = sys.argv[4:] == ["websocket"]
    transport = TransportType.AmqpOverWebsocket if websocket else TransportType.Amqp
    service = IoTHubRegistryManager.from_connection_string(connection_string, transport)
    for body, properties in json.loads(messages):
        try:
            service.send_c2d_message(device_id, body, properties)
            emit(sent=body)
        except Exception as error:  # the SDK tells a refusal by this class and no other
            emit(refused=str(error))


if __name__ == "__main__":
    main()
