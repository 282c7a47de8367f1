"""A device that does what it is told, through azure-iot-device over MQTT.

Reads commands from standard input, one {"do": name, ...} per line, and answers each by {"done": value} or
{"failed": class of the error, "cause": text}. Prints {"message": {...}}, {"desired": {...}} and {"method": name} when
they come. The commands are the methods of Commands.
"""

import argparse
import json
import sys
import threading

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse, X509

from lines import emit

SECONDS_MAX = 120
# The SDK renews a token this long before it expires.
RENEWAL_MARGIN_SECONDS = 120


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connection-string", help="of a device with a key")
    parser.add_argument("--certified", nargs=4, metavar=("HOST", "DEVICE_ID", "CERTIFICATE", "KEY"))
    parser.add_argument("--ca", required=True, help="PEM file with the hub's CA")
    parser.add_argument("--websockets", action="store_true")
    return parser.parse_args()


def telemetry(command):
    message = Message(command["body"])
    message.message_id = command["id"]
    message.correlation_id = "k"
    message.content_type = "text/plain"
    message.content_encoding = "utf-8"
    message.custom_properties.update(command["properties"])
    return message


class Commands:
    def __init__(self, args):
        self.args = args
        self.client = None

    def made(self, **options):
        with open(self.args.ca, encoding="ascii") as ca:
            options.update(
                server_verification_cert=ca.read(),
                websockets=self.args.websockets,
                connection_retry=False,
            )
        if self.args.certified:
            host, device_id, certificate, key = self.args.certified
            shown = X509(certificate, key)
            make = IoTHubDeviceClient.create_from_x509_certificate
            return make(shown, host, device_id, **options)
        make = IoTHubDeviceClient.create_from_connection_string
        return make(self.args.connection_string, **options)

    def open(self, _):
        self.client = self.made()
        self.client.connect()

    def send(self, command):
        self.client.send_message(telemetry(command))

    def batch(self, command):
        self.client.send_message_batch([telemetry(message) for message in command["messages"]])

    def receive(self, _):
        def on_message(message):
            emit(
                message={
                    "id": message.message_id,
                    "body": message.data,
                    "correlation_id": message.correlation_id,
                    "content_type": message.content_type,
                    "mode": message.custom_properties.get("mode"),
                }
            )

        self.client.on_message_received = on_message

    def settle(self, command):
        if command["verdict"] != "complete":
            getattr(self.client, command["verdict"] + "_message")(command["id"])
        # The SDK has acknowledged the message after the callback; what is answered later comes later.
        self.client.get_twin()

    def twin(self, _):
        return self.client.get_twin()

    def report(self, command):
        self.client.patch_twin_reported_properties(command["patch"])

    def watch(self, _):
        self.client.on_twin_desired_properties_patch_received = lambda desired: emit(desired=desired)

    def serve(self, _):
        def on_method(request):
            emit(method=request.name)
            answer = MethodResponse.create_from_method_request(request, 200, request.payload)
            self.client.send_method_response(answer)

        self.client.on_method_request_received = on_method

    def renew(self, command):
        renewing = self.made(sastoken_ttl=RENEWAL_MARGIN_SECONDS + 3)
        self.client.shutdown()
        self.client = renewing
        renewed = threading.Semaphore(0)

        def on_state_change():
            if renewing.connected:
                renewed.release()

        renewing.on_connection_state_change = on_state_change
        renewing.connect()
        for _ in range(1 + command["times"]):
            if not renewed.acquire(timeout=SECONDS_MAX):
                raise TimeoutError("the SDK did not renew its token")


def main():
    commands = Commands(parse())
    for line in sys.stdin:
        command = json.loads(line)
        try:
            emit(done=getattr(commands, command["do"])(command))
        except Exception as error:  # every class of refusal is a result here
            emit(failed=type(error).__name__, cause=str(error.__cause__ or error))
    if commands.client:
        commands.client.shutdown()


if __name__ == "__main__":
    main()
