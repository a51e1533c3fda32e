"""Evidence on the mean of bounded values that may be looked at after every value: confidence sequences by betting.

A gambler starts with a capital of 1 and bets on each value x in [0, 1] that the mean is above m: the share g of the capital
becomes g x / m. If the mean is at most m, the capital is a nonnegative supermartingale, so it ever reaches 1 / alpha with a
probability of at most alpha (Ville, 1939), however often one looks and whenever one stops. The means m that the capital has not
refuted are a lower confidence sequence (Waudby-Smith and Ramdas, J. R. Stat. Soc. B 86, 2024, section 4).

The capital is divided over several shares g at the beginning, so that none has to be chosen, and the capital does not depend on
the order of values. Three quarters are bet nearly whole (g = .99): two methods' scores differ by little beside their range, and
then the larger the share, the more it wins. The density of the last quarter is Beta(1/2, 1/2), that of
Cover's universal portfolio (Orabona and Jun, IEEE Trans. Inf. Theory 70, 2024), for values that vary more. So the capital is at
least three quarters of that of the large bets, and a quarter of the portfolio's.

Of the libraries with such sequences, confseq (0.0.11, 2023) needs a C++ compiler and Boost and is not maintained, and ville
(0.1.0) and expectation (0.6.1) are young; none takes many pairs at once with missing values, which are these few lines.
"""

import numpy as np
from numpy.typing import NDArray

from .estimate import Floats

LARGE_SHARE, LARGE_PART = 0.99, 0.75  # the large share, and the part of the capital that is bet by it
BETS = 16  # shares over which the rest is divided
_QUANTILES = np.sin(np.pi * (np.arange(BETS) + 0.5) / (2 * BETS)) ** 2  # of Beta(1/2, 1/2)
SHARES = np.r_[_QUANTILES, LARGE_SHARE]
PARTS = np.r_[np.full(BETS, (1 - LARGE_PART) / BETS), LARGE_PART]  # of the capital, by share
NEVER = np.iinfo(np.int64).max

Counts = NDArray[np.int64]


def compute_capital(values: Floats, mean: float) -> Floats:
    """Compute the capital after each row of values (n, ...) in [0, 1], for bets that their mean is above `mean`, in (0, 1].

    The capital stays as it was where a value is NaN. One that is too large for a number is infinite.
    """
    gains = np.where(np.isnan(values), 0.0, values / mean - 1)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(
            sum(part * np.cumprod(1 + share * gains, axis=0) for share, part in zip(SHARES, PARTS, strict=True))
        )


def count_until_sure(differences: Floats, margin: float, alpha: float) -> Counts:
    """Count the rows of differences (n, ...) in [-1, 1] after which their mean is surely above -margin; NEVER without enough.

    The claim is wrong with a probability of at most `alpha`. `margin` is in [0, 1).
    """
    if not len(differences):
        return np.full(differences.shape[1:], NEVER)
    sure = compute_capital((1 + differences) / 2, (1 - margin) / 2) >= 1 / alpha
    return np.where(sure.any(0), sure.argmax(0) + 1, NEVER)
