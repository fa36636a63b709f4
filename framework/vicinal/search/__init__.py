"""Search: decode and encode queries, search Milvus, group by item, rerank, add metadata.

Imports stores, config and the plugin contract.
"""
