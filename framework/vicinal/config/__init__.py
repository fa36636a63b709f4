"""A solution's YAML: strict models, located errors, the table of indexes, and the JSON Schema that editors use.

Imports the plugin contract, types and errors.
"""

from __future__ import annotations

from vicinal.config.load import check_config, load_config
from vicinal.config.models import Block, IndexConfig, SolutionConfig

__all__ = ["Block", "IndexConfig", "SolutionConfig", "check_config", "load_config"]
