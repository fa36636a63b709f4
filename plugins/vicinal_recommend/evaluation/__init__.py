"""How recommendation is measured: what is held back, and the simple models that ALS has to beat."""
