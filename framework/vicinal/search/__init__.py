"""The way out: decode and encode a query, search Milvus, group by item, rerank, add metadata.

Imports stores, config and the plugin contract.
"""
