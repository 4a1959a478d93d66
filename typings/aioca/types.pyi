from typing import TypeAlias

Dbr: TypeAlias = int
Format: TypeAlias = int

class AugmentedValue: ...
