"""The facade ``Solution``, and a collection's life: creation, index, maintenance, transfer between stores.

Imports every room but the server and the command line.
"""
