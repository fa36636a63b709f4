"""Where a solution is kept: vectors in Milvus, metadata and the ledger in Redis, either embedded or a server."""
