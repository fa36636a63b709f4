"""Create a resource group of Milvus' query nodes, or change how many it has: a Job of the overlay `cluster` runs it.

Milvus takes the nodes from its default group, now or as soon as there are as many, and replaces one that is lost. To
run it again is harmless.
"""

from __future__ import annotations

import os

from pymilvus import MilvusClient
from pymilvus.client.constants import DEFAULT_RESOURCE_GROUP
from pymilvus.client.types import ResourceGroupConfig

GROUP, NODES = os.environ["RESOURCE_GROUP"], int(os.environ["QUERY_NODES"])

size = {"node_num": NODES}
config = ResourceGroupConfig(requests=size, limits=size, transfer_from=[{"resource_group": DEFAULT_RESOURCE_GROUP}])
client = MilvusClient(os.environ["MILVUS_URI"], token=os.environ.get("MILVUS_TOKEN", ""))
if GROUP in client.list_resource_groups():
    client.update_resource_groups({GROUP: config})
else:
    client.create_resource_group(GROUP, config=config)
print(client.describe_resource_group(GROUP))
