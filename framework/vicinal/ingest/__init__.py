"""Ingest: read the source, skip unchanged items, decode, encode and write, with bounded queues between the stages.

Imports stores, config, the plugin contract and the toolkit.
"""
