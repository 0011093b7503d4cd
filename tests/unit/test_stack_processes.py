"""Finding and ending the processes of one stack, and no other."""

import os
import subprocess
from pathlib import Path

from segue.stack import processes
from segue.stack.home import Home


def test_only_marked_processes_of_this_home_are_found_and_ended(tmp_path: Path) -> None:
    here, elsewhere = Home(tmp_path / "here"), Home(tmp_path / "elsewhere")
    mine = subprocess.Popen(["sleep", "100"], env=processes.marked(os.environ, here))
    # A shell that exports SEGUE_HOME is not part of the stack.
    shell = subprocess.Popen(["sleep", "100"], env={"SEGUE_HOME": str(here.root)})
    other = subprocess.Popen(["sleep", "100"], env=processes.marked(os.environ, elsewhere))
    try:
        assert [p.pid for p in processes.of_stack(here)] == [mine.pid]
        processes.end(processes.of_stack(here))
        assert mine.poll() is not None
        assert (shell.poll(), other.poll()) == (None, None)
    finally:
        for process in (mine, shell, other):
            process.kill()
            process.wait()


def test_a_process_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    stubborn = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"],
        env=processes.marked(os.environ, home),
        stdout=subprocess.PIPE,
    )
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    processes.end(processes.of_stack(home), seconds=0.3)
    assert stubborn.poll() is not None
    stubborn.stdout.close()
