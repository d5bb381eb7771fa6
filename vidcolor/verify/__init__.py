"""Whether a coloured film differs from its source in colour alone, found out from the two files.

Nothing that a job noted is believed here: ``verify(source, target)`` decodes both pictures side by
side, reads both files' packets and compares what they say of themselves.
"""

from vidcolor.verify.checks import Check, Verification
from vidcolor.verify.contract import verify

__all__ = ["Check", "Verification", "verify"]
