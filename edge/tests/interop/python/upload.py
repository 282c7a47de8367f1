"""A device that uploads a file through azure-iot-device and azure-storage-blob.

usage: upload.py CONNECTION_STRING CA BLOB_NAME BYTES [CERTIFICATE KEY]

With more than 64 MiB the storage client sends blocks and a list of them. Prints {"info": {...}}, {"done": true},
and {"read": true} once the blob was read back and compared.
"""

import sys

from azure.iot.device import IoTHubDeviceClient
from azure.storage.blob import BlobClient

from lines import emit


def main():
    connection_string, ca, name, length = sys.argv[1:5]
    with open(ca, encoding="ascii") as file:
        roots = file.read()
    client = IoTHubDeviceClient.create_from_connection_string(connection_string, server_verification_cert=roots)
    client.connect()
    info = client.get_storage_info_for_blob(name)
    emit(info=info)
    url = "https://{hostName}/{containerName}/{blobName}{sasToken}".format(**info)
    content = bytes(range(256)) * (int(length) // 256)
    settings = {"max_single_put_size": 1024 * 1024, "max_block_size": 256 * 1024, "connection_verify": ca}
    with BlobClient.from_blob_url(url, **settings) as blob:
        blob.upload_blob(content, overwrite=True, metadata={"kind": "log"})
        client.notify_blob_upload_status(info["correlationId"], True, 200, "OK")
        emit(done=True)
        properties = blob.get_blob_properties()
        emit(size=properties.size, metadata=properties.metadata)
        emit(read=blob.download_blob(max_concurrency=2).readall() == content)
    client.shutdown()


if __name__ == "__main__":
    main()
