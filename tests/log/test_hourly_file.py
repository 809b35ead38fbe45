"""The hourly file on a disk that is full for a while."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: The limit of a file's size refuses a write in its middle, as a full disk does.
WRITER = """
import json, resource, signal, sys
from sf_actors.log.hourly_file import HourlyFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
file = HourlyFile(sys.argv[1], 3)
resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, most))
refused = [n for n in range(1_000) if file.append(json.dumps({"n": n, "text": "y" * (n % 300)}))]
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
for n in range(1_000, 1_020):
    assert file.append(json.dumps({"n": n})) is None
file.finish()
print(len(refused))
"""


def test_a_disk_that_was_full_leaves_no_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "svc.log"
    ended = subprocess.run(
        [sys.executable, "-c", WRITER, str(path)], capture_output=True, check=True, text=True
    )
    assert int(ended.stdout) > 500, "the disk was not full"
    numbers = [json.loads(line)["n"] for line in path.read_text().splitlines()]
    assert numbers[-20:] == list(range(1_000, 1_020))
    assert numbers == sorted(set(numbers))
