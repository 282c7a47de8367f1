"""What the scripts share: one JSON object per line on standard output."""

import datetime
import json
import sys
import threading

_lock = threading.Lock()


def emit(**fields):
    """Prints one line; safe from any thread, since SDKs call back on their own."""
    with _lock:
        sys.stdout.write(json.dumps(plain(fields)) + "\n")
        sys.stdout.flush()


def plain(value):
    """Turns what the SDKs return into what JSON has: bytes to text, times to milliseconds."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
