"""Mean and standard deviation of each number of ``vicinal_audio.statistics``: constants, measured once on a corpus.

The corpus: 360 generated sounds of 0.3 to 5 s (36 kinds of ``configs/data/make_sounds.py``, 10 of each with other
pitch, pace and grain), half of them with white or pink noise 5 to 50 dB below the sound, and the 300 sounds of
instruments and drums in the development half of ``benchmarks/sounds_families.py``. ``benchmarks/sounds.py
normalization`` prints these numbers. Changing one of them changes every vector, so that ``MelStats.signature`` must
change, too.

The order is that of ``summarize_spectra``: MFCC (20 means, 20 deviations), delta of the MFCC (20 deviations), chroma
(12 and 12), spectral contrast (7 and 7), shape (3 and 3), level (5).
"""

from __future__ import annotations

import numpy as np

__all__ = ["GROUP_SIZES", "MEAN", "STD"]

GROUP_SIZES = np.array([20, 20, 20, 12, 12, 7, 7, 3, 3, 5])
"""How many numbers each group has."""

_MEAN = """
-593.77 27.41 3.06 6.37 -2.95 -0.90 -1.55 -0.40 -3.27 -1.57 -3.65 -2.10 -3.09 -2.44 -2.41 -0.83 -1.89 -1.21 -1.71
-1.16
17.64 10.01 7.28 5.89 4.90 4.54 4.65 4.66 5.00 5.13 5.13 4.89 4.60 4.15 3.88 3.45 3.52 3.66 4.00 4.13
2.567 1.589 1.142 1.025 0.769 0.758 0.729 0.713 0.790 0.821 0.775 0.715 0.690 0.628 0.583 0.522 0.530 0.566 0.611
0.653
0.363 0.351 0.369 0.368 0.342 0.327 0.336 0.347 0.355 0.378 0.385 0.375
0.121 0.124 0.129 0.126 0.129 0.131 0.130 0.129 0.131 0.137 0.123 0.120
9.20 9.78 10.34 10.09 7.85 5.91 3.95
1.39 2.19 2.26 1.91 1.57 1.26 0.90
32.21 13.14 -13.44
4.13 2.05 1.64
5.48 0.54 -0.33 1.52 7.40
"""

_STD = """
45.27 44.12 28.46 18.34 15.00 12.66 10.98 9.97 8.90 8.73 8.30 8.38 7.69 7.29 6.94 7.19 7.28 7.27 7.75 7.31
15.97 7.93 7.35 5.82 4.57 4.26 4.75 5.26 6.00 6.55 6.40 5.92 5.23 4.40 3.45 2.82 2.78 3.26 3.80 4.27
2.680 1.795 1.359 1.484 0.829 0.961 0.890 0.956 1.142 1.247 1.076 0.922 0.862 0.727 0.611 0.509 0.515 0.588 0.694
0.830
0.307 0.291 0.302 0.308 0.285 0.272 0.275 0.288 0.285 0.293 0.306 0.305
0.117 0.118 0.119 0.120 0.121 0.125 0.122 0.125 0.121 0.125 0.117 0.114
7.78 6.43 5.98 5.52 5.67 6.09 5.54
1.18 1.92 1.92 1.60 1.50 1.34 1.17
26.17 9.89 5.06
5.43 2.75 1.16
5.21 0.81 1.33 0.52 3.89
"""

MEAN = np.array(_MEAN.split(), np.float32)
STD = np.array(_STD.split(), np.float32)
