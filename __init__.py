"""cambench: which explanation method should I trust on this network, and what does it cost?"""

__version__ = "0.1.0"
