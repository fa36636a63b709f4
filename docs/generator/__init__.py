"""What ``docs/generate.py`` and ``docs/conf.py`` write pages and navigation with."""
