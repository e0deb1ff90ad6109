"""The verbs. Each is one public function of the same name; heavy imports stay inside the verb.

Exit status: 0 done, 1 done with problems listed, 2 refused, 130 stopped by the user.
"""

from amparo.cli.main import main

__all__ = ["main"]
