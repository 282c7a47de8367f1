"""A device without an SDK: paho-mqtt, for the forms of MQTT that the SDKs never send.

Prints {"connack": code, "session_present": bool}, {"published": n}, {"puback": mid},
{"suback": [granted]} and {"state": "disconnected", "reason": code}.
"""

import argparse
import ssl
import threading
import time

import paho.mqtt.client as mqtt

from lines import emit


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--topic")
    parser.add_argument("--payload", default="{}")
    parser.add_argument("--qos", type=int, default=1)
    parser.add_argument("--retain", action="store_true")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--subscribe", action="append", default=[])
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--will-topic")
    parser.add_argument("--will-payload", default="gone")
    parser.add_argument("--abort", action="store_true", help="end without DISCONNECT")
    parser.add_argument("--seconds", type=float, default=60)
    return parser.parse_args()


class Device:
    """One connection; every answer of the hub becomes a line and an event to wait for."""

    def __init__(self, args):
        self._args = args
        self.connected = threading.Event()
        self.closed = threading.Event()
        self.subscribed = threading.Event()
        self.client = mqtt.Client(
            args.client_id, clean_session=args.clean, reconnect_on_failure=False
        )
        self.client.username_pw_set(args.user, args.password)
        self.client.tls_set(args.ca, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = lambda client, data, mid: emit(puback=mid)
        self.client.on_subscribe = self._on_subscribe
        if args.will_topic:
            self.client.will_set(args.will_topic, args.will_payload, qos=1)

    def _on_connect(self, client, data, flags, code):
        emit(connack=code, session_present=bool(flags["session present"]))
        self.connected.set() if code == 0 else self.closed.set()

    def _on_disconnect(self, client, data, reason):
        emit(state="disconnected", reason=reason)
        self.closed.set()

    def _on_subscribe(self, client, data, mid, granted):
        emit(suback=list(granted))
        self.subscribed.set()

    def run(self):
        args = self._args
        self.client.connect(args.host, 8883, keepalive=30)
        self.client.loop_start()
        while not (self.connected.wait(0.05) or self.closed.is_set()):
            pass
        if self.connected.is_set():
            self._work()
        self.client.loop_stop()

    def _work(self):
        args = self._args
        if args.subscribe:
            self.client.subscribe([(topic, 1) for topic in args.subscribe])
            self.subscribed.wait(args.seconds)
        if args.topic:
            self._publish()
        if args.abort:
            # Closing the socket below TLS is what a device that lost power looks like.
            self.client.socket().close()
            return
        self.client.disconnect()
        self.closed.wait(args.seconds)

    def _publish(self):
        args = self._args
        deadline = time.monotonic() + args.seconds
        for number in range(args.count):
            info = self.client.publish(args.topic, args.payload, args.qos, args.retain)
            while not (info.is_published() or self.closed.is_set() or time.monotonic() > deadline):
                time.sleep(0.01)
            if not info.is_published():
                emit(unpublished=number)
                return
            emit(published=number)


if __name__ == "__main__":
    Device(parse()).run()
