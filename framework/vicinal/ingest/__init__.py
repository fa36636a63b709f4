"""The way in: read, skip what is unchanged, decode, encode, write, with bounded queues between the stages.

Imports stores, config, the plugin contract and the toolkit.
"""
