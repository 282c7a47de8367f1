"""Back end: an event processor with a checkpoint store, the way that production readers run.

usage: processor.py CONNECTION_STRING CA_FILE STORE_FILE EXPECT

Reads all partitions, checkpoints every event and stops after EXPECT events. Prints {"event": {...}} lines.
The SDK reads with owner level 0 as soon as there is a store, so a second processor takes over from a first.
"""

import json
import os
import sys
import threading
import time
import uuid

from azure.eventhub import CheckpointStore, EventHubConsumerClient

from lines import emit


class FileStore(CheckpointStore):
    """Keeps ownership in memory and checkpoints in one JSON file."""

    def __init__(self, path):
        self._path = path
        self._ownership = {}
        self._lock = threading.Lock()

    def list_ownership(self, fully_qualified_namespace, eventhub_name, consumer_group, **kwargs):
        return list(self._ownership.values())

    def claim_ownership(self, ownership_list, **kwargs):
        for ownership in ownership_list:
            ownership["last_modified_time"] = time.time()
            ownership["etag"] = str(uuid.uuid4())
            self._ownership[ownership["partition_id"]] = ownership
        return ownership_list

    def update_checkpoint(self, checkpoint, **kwargs):
        with self._lock:
            checkpoints = self._read()
            checkpoints[checkpoint["partition_id"]] = checkpoint
            with open(self._path, "w", encoding="utf-8") as file:
                json.dump(checkpoints, file)

    def list_checkpoints(self, fully_qualified_namespace, eventhub_name, consumer_group, **kwargs):
        return list(self._read().values())

    def _read(self):
        if not os.path.exists(self._path):
            return {}
        with open(self._path, encoding="utf-8") as file:
            return json.load(file)


def main():
    connection_string, ca, store, expect = sys.argv[1:]
    client = EventHubConsumerClient.from_connection_string(
        connection_string,
        consumer_group="$Default",
        connection_verify=ca,
        checkpoint_store=FileStore(store),
        load_balancing_interval=1,
        partition_ownership_expiration_interval=6,
    )
    done = threading.Event()
    seen = []

    def on_event(partition, event):
        if done.is_set():
            return
        seen.append(event)
        partition.update_checkpoint(event)
        emit(
            event={
                "partition": partition.partition_id,
                "offset": event.offset,
                "sequence_number": event.sequence_number,
                "message_id": event.message_id,
            }
        )
        if len(seen) >= int(expect):
            done.set()

    def on_error(partition, error):
        emit(error=type(error).__name__, condition=str(error))

    receiver = threading.Thread(
        target=client.receive,
        daemon=True,
        kwargs=dict(on_event=on_event, on_error=on_error, starting_position="-1"),
    )
    receiver.start()
    done.wait(60)
    client.close()
    receiver.join(10)
    emit(lines="end")


if __name__ == "__main__":
    main()
