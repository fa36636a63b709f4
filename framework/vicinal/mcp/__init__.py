"""Solutions as tools of the Model Context Protocol: ``vicinal mcp FILE…`` serves them to assistants.

``tools.py`` says what the tools take and do, ``access.py`` reaches the solutions, ``server.py`` speaks the protocol by
the official SDK. May import what stands below the server.
"""
