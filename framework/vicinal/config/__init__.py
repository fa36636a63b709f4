"""One YAML file is one solution: strict models, located errors, and the JSON Schema that editors use."""

from __future__ import annotations

from vicinal.config.load import check_config, load_config
from vicinal.config.models import Block, IndexConfig, SolutionConfig

__all__ = ["Block", "IndexConfig", "SolutionConfig", "check_config", "load_config"]
