"""The facade ``Solution``, and the life cycle of its collection: creation, index, checks, removal, export and import.

Imports every room but the server and the command line.
"""
