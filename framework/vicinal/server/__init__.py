"""Solutions over HTTP: ``create_app(solutions)`` is an ASGI application, ``vicinal serve FILE…`` runs it.

>>> import uvicorn
>>> from vicinal.server import create_app
>>> uvicorn.run(create_app(["configs/qa.yaml", "configs/molecule.yaml"]))
"""

from vicinal.server.app import create_app
from vicinal.server.settings import Settings

__all__ = ["Settings", "create_app"]
