"""What is installed holds more than code: what editors read, and the examples that users copy."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_the_examples_and_the_stubs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=150)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        found = set(content.namelist())
        # Mode bits are in the upper half: pip keeps the one that lets st.cmd run.
        runs = {Path(one.filename).name for one in content.infolist() if one.external_attr >> 16 & 0o100}
    page = (ROOT / "dmioc" / "web" / "page").glob("*.*")
    wanted = [*(ROOT / "dmioc" / "examples").glob("*.*"), *(ROOT / "dmioc").rglob("*.pyi"), *page]
    assert len(wanted) > 4
    assert {str(path.relative_to(ROOT)) for path in wanted} <= found
    boot = ROOT / "iocBoot"
    shared = {
        path.relative_to(boot).as_posix()
        for path in boot.glob("*/*")
        if path.name in ("st.cmd", "access.acf", "dmioc-ioc@.service")
    }
    assert len(shared) == 3
    assert all(any(name.endswith(f"/share/dmioc/iocBoot/{path}") for name in found) for path in shared)
    assert runs >= {"st.cmd", "st.procserv", "run_procserv"}
