"""What is installed holds more than code: what editors read, and the examples that users copy."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_the_examples_and_the_stubs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=50)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        found = set(content.namelist())
    wanted = [*(ROOT / "dmioc" / "examples").glob("*.*"), *(ROOT / "dmioc").rglob("*.pyi")]
    assert len(wanted) > 4
    assert {str(path.relative_to(ROOT)) for path in wanted} <= found
