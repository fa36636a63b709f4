"""What is measured and shown of a whole solution, as the map of its items.

It stands above ``solution``, and imports that and what is below it: search, stores, config, plugin, toolkit.
"""
