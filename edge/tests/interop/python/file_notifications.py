"""Back end: reads file notifications over AMQP with uamqp, since the service SDK has no receiver for them.

usage: file_notifications.py HOST POLICY KEY COUNT

Prints {"file": {...}} per notification. Trust comes from REQUESTS_CA_BUNDLE.
"""

import json
import os
import sys

import certifi

certifi.where = lambda: os.environ["REQUESTS_CA_BUNDLE"]

from base64 import b64decode, b64encode  # noqa: E402
from hashlib import sha256  # noqa: E402
from hmac import HMAC  # noqa: E402
from time import time  # noqa: E402
from urllib.parse import quote  # noqa: E402

import uamqp  # noqa: E402
from uamqp.authentication import SASLPlain  # noqa: E402

from lines import emit  # noqa: E402


def token(resource, policy, key):
    expiry = int(time()) + 3600
    signed = HMAC(b64decode(key), f"{quote(resource, safe='')}\n{expiry}".encode(), sha256).digest()
    fields = {"sr": resource, "sig": b64encode(signed).decode(), "se": str(expiry), "skn": policy}
    return "SharedAccessSignature " + "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


def main():
    host, policy, key, count = sys.argv[1:5]
    user = f"{policy}@sas.root.{host.split('.')[0]}"
    auth = SASLPlain(host, user, token(host, policy, key))
    source = f"amqps://{host}/messages/serviceBound/filenotifications"
    with uamqp.ReceiveClient(source, auth=auth, prefetch=1, timeout=60000) as client:
        left = int(count)
        while left:
            for message in client.receive_message_batch(max_batch_size=1):
                emit(file=json.loads(b"".join(message.get_data())))
                message.accept()
                left -= 1


if __name__ == "__main__":
    main()
