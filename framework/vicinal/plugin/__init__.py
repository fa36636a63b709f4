"""The plugin contract: hooks, the base classes of encoders, sources and rerankers, their registries, and the manager.

Imports ``vicinal.types`` and ``vicinal.errors``, and no plugin: a plugin is found by its entry point.
"""
