"""A field gateway on python-qpid-proton: many devices share one AMQP connection, each with a token and links of its own.

usage: gateway.py HOST HALF MESSAGES QUITTER

The first line of standard input is [[device, token], ...]. Each of these devices puts its token, sends HALF messages one
after the other, takes MESSAGES that wait for it, and, when a second line has come, sends HALF more; QUITTER closes its
links instead. Prints {"refused": device} where a token does not count, {"half": devices} when all the others are halfway,
{"detached": [device, condition]}, {"received": [device, body]}, and at the end {"accepted": [device, messages]}.
Trust comes from REQUESTS_CA_BUNDLE.
"""

import json
import os
import sys
import threading

from proton import Message, SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector

CBS = "$cbs"


def emit(**line):
    print(json.dumps(line), flush=True)


class Device:
    def __init__(self, name):
        self.name = name
        self.sent = self.accepted = self.received = 0
        self.is_gone = False
        self.sender = self.receiver = None


class Gateway(MessagingHandler):
    def __init__(self, host, half, messages, quitter):
        super().__init__()
        self.host, self.half, self.messages, self.quitter = host, half, messages, quitter
        self.target = half
        self.identities = json.loads(sys.stdin.readline())
        self.devices = {name: Device(name) for name, _ in self.identities}
        self.injector = EventInjector()

    def on_start(self, event):
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_trusted_ca_db(os.environ["REQUESTS_CA_BUNDLE"])
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
        self.container = event.container
        self.container.selectable(self.injector)
        threading.Thread(target=self.listen, daemon=True).start()
        self.connection = self.container.connect(
            f"amqps://{self.host}:5671", ssl_domain=domain, allowed_mechs="ANONYMOUS", reconnect=False)
        self.container.create_receiver(self.connection, CBS, name=CBS)
        self.container.create_sender(self.connection, CBS, name=CBS)

    def listen(self):
        if sys.stdin.readline():
            self.injector.trigger(ApplicationEvent("go"))

    def on_sendable(self, event):
        if event.link.name != CBS:
            device = self.devices[event.link.name]
            if device.sent == 0:
                self.send(device)
            return
        while self.identities and event.sender.credit:
            name, token = self.identities.pop()
            event.sender.send(Message(
                id=name, address=CBS, reply_to="cbs", body=token,
                properties={"operation": "put-token", "type": "servicebus.windows.net:sastoken",
                            "name": f"{self.host}/devices/{name}"}))

    def on_message(self, event):
        if event.link.name == CBS:
            return self.answered(event.message)
        device = self.devices[event.link.name]
        device.received += 1
        emit(received=[device.name, bytes(event.message.body).decode()])
        self.check()

    def answered(self, message):
        device = self.devices[message.correlation_id]
        if message.properties["status-code"] >= 300:
            device.is_gone = True
            emit(refused=device.name)
            return self.check()
        queue = f"/devices/{device.name}/messages/"
        device.sender = self.container.create_sender(
            self.connection, f"{queue}events", name=device.name)
        device.receiver = self.container.create_receiver(
            self.connection, f"{queue}devicebound", name=device.name)

    def send(self, device):
        if device.is_gone or device.sent >= self.target:
            return
        body = str(device.sent).encode()
        device.sent += 1
        device.sender.send(Message(id=str(device.sent), body=body, inferred=True))

    def on_accepted(self, event):
        if event.link.name == CBS:
            return
        device = self.devices[event.link.name]
        device.accepted += 1
        self.send(device)
        self.check()

    def on_link_error(self, event):
        device = self.devices[event.link.name]
        device.is_gone = True
        emit(detached=[device.name, event.link.remote_condition.name])
        event.link.close()
        self.check()

    def check(self):
        """Whether all that are left have come as far as they are to come."""
        left = [device for device in self.devices.values() if not device.is_gone]
        if any(device.accepted != self.target or device.received != self.messages for device in left):
            return
        if self.target == self.half:
            emit(half=len(left))
            return
        for device in self.devices.values():
            emit(accepted=[device.name, device.accepted])
        self.injector.close()
        self.connection.close()

    def on_go(self, _event):
        self.target = 2 * self.half
        leaving = self.devices[self.quitter]
        leaving.is_gone = True
        leaving.sender.close()
        leaving.receiver.close()
        for device in self.devices.values():
            self.send(device)


def main():
    host, half, messages, quitter = sys.argv[1:]
    Container(Gateway(host, int(half), int(messages), quitter)).run()


if __name__ == "__main__":
    main()
