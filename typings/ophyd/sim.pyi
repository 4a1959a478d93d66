from typing import Any

det: Any
det1: Any
det2: Any
motor: Any
motor1: Any
