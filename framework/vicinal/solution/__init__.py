"""The facade ``Solution``, and the life cycle of its collection: creation, index, maintenance, export and import.

Imports every room but the server and the command line.
"""
