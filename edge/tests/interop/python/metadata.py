"""Back end: properties of the Event-Hubs-compatible endpoint and of its partitions.

usage: metadata.py CONNECTION_STRING CA_FILE [--uamqp]
"""

import sys

from azure.eventhub import EventHubConsumerClient
from azure.eventhub.exceptions import EventHubError

from lines import emit


def main():
    connection_string, ca, *flags = sys.argv[1:]
    client = EventHubConsumerClient.from_connection_string(
        connection_string,
        consumer_group="$Default",
        connection_verify=ca,
        uamqp_transport="--uamqp" in flags,
        retry_total=0,
    )
    try:
        with client:
            emit(hub=client.get_eventhub_properties())
            for partition in client.get_partition_ids():
                emit(partition=client.get_partition_properties(partition))
    except EventHubError as error:
        emit(error=type(error).__name__, condition=str(error))


if __name__ == "__main__":
    main()
