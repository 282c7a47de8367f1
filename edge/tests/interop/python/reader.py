"""Back end: reads events through azure-eventhub, with either of its AMQP stacks.

Prints {"event": {...}} per event, {"error": class, "condition": text, "partition": p} per receiver error
and {"lines": "end"} once --expect events have come or --seconds have passed.
"""

import argparse
import datetime
import threading

from azure.eventhub import EventHubConsumerClient, TransportType

from lines import emit


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connection_string")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--group", default="$Default")
    parser.add_argument("--uamqp", action="store_true")
    parser.add_argument("--websocket", action="store_true")
    parser.add_argument("--endpoint", help="sb://host:port when the port is not the usual one")
    parser.add_argument("--partition", help="one partition instead of all")
    parser.add_argument("--from", dest="start", default="offset:-1", help="KIND:VALUE, see position()")
    parser.add_argument("--inclusive", action="store_true")
    parser.add_argument("--owner-level", type=int)
    parser.add_argument("--track", action="store_true", help="ask for the last enqueued event")
    parser.add_argument("--expect", type=int, default=0, help="events to read; 0: until --seconds")
    parser.add_argument("--seconds", type=float, default=60)
    return parser.parse_args()


def position(text):
    """offset:TEXT, sequence:NUMBER or time:MILLISECONDS, as the type by which the SDK tells them apart."""
    kind, _, value = text.partition(":")
    if kind == "sequence":
        return int(value)
    if kind == "time":
        zero = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
        return zero + datetime.timedelta(milliseconds=int(value))
    return value


def client_of(args):
    transport = TransportType.AmqpOverWebsocket if args.websocket else TransportType.Amqp
    options = {"custom_endpoint_address": args.endpoint} if args.endpoint else {}
    return EventHubConsumerClient.from_connection_string(
        args.connection_string,
        consumer_group=args.group,
        connection_verify=args.ca,
        uamqp_transport=args.uamqp,
        transport_type=transport,
        retry_total=2,
        **options,
    )


def describe(partition, event):
    return {
        "partition": partition.partition_id,
        "offset": event.offset,
        "sequence_number": event.sequence_number,
        "enqueued_time_ms": event.enqueued_time,
        "body": b"".join(event.body),
        "properties": event.properties or {},
        "system": event.system_properties,
        "last_enqueued": partition.last_enqueued_event_properties,
    }


def main():
    args = parse()
    client = client_of(args)
    done = threading.Event()
    seen = []

    def on_event(partition, event):
        if event is not None and not done.is_set():
            seen.append(event.sequence_number)
            emit(event=describe(partition, event))
            if args.expect and len(seen) >= args.expect:
                done.set()

    def on_error(partition, error):
        emit(
            error=type(error).__name__,
            condition=str(error),
            partition=partition.partition_id if partition else None,
        )

    options = {"partition_id": args.partition} if args.partition else {}
    receiver = threading.Thread(
        target=client.receive,
        daemon=True,
        kwargs=dict(
            on_event=on_event,
            on_error=on_error,
            owner_level=args.owner_level,
            starting_position=position(args.start),
            starting_position_inclusive=args.inclusive,
            track_last_enqueued_event_properties=args.track,
            **options,
        ),
    )
    receiver.start()
    done.wait(args.seconds)
    emit(lines="end")
    client.close()
    receiver.join(10)


if __name__ == "__main__":
    main()
