"""Benchmarks of Milvus' indexes on generated or given vectors, and what a solution will need before it is ingested.

Imports solution, stores, config, the plugin contract, types and toolkit; not quality. ``vicinal bench`` has a YAML of
its own, which ``config`` defines; the extra ``bench`` brings psutil and plotly.
"""
