"""What `make` hands to the programs that it starts, and what it refuses to start."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SHOW = 'include Makefile\nshow:\n\t@printf "%s\\n" "$$HEALTHCARE_HOME" "$$DAGSTER_HOME"\n'


def _environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEALTHCARE_", "DAGSTER_", "MAKE", "MFLAGS"))}
    return {**kept, **variables}


def _make(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=_environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("given", "home"),
    [
        ("", f"{ROOT}/.healthcare"),
        ("/srv/healthcare", "/srv/healthcare"),
        ("../other", f"{ROOT}/../other"),
        ("/srv/health care", "/srv/health care"),
        ("health care", f"{ROOT}/health care"),
        ("~/health care", "/home/someone/health care"),
    ],
)
def test_every_process_is_told_the_same_absolute_home(given: str, home: str) -> None:
    shown = _make("-f", "-", "show", stdin=SHOW, HEALTHCARE_HOME=given, HOME="/home/someone").stdout.splitlines()
    assert shown == [home, f"{home}/dagster"]


@pytest.mark.skipif(not (ROOT / ".venv" / ".ready-run").exists(), reason="make's own environment is not there")
def test_a_second_ui_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as listener:
        with suppress(OSError):  # somebody listens there already, which serves as well
            listener.bind(("127.0.0.1", 3000))
            listener.listen()
        refused = _make("-o", ".venv/.ready-run", "dev", HEALTHCARE_HOME=str(tmp_path))
    assert refused.returncode != 0
    assert refused.stdout.startswith("Port 3000 of 127.0.0.1 is taken")


def test_dagster_s_home_is_made_by_several_processes_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "healthcare_assets.dagster_home"]
    environment = _environment(HEALTHCARE_HOME=str(tmp_path))
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(4)
    ]
    assert [process.communicate()[0] for process in processes] == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4
    assert (tmp_path / "dagster" / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    occupied = tmp_path / "a file"
    occupied.touch()
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "healthcare_assets"],
        cwd=ROOT,
        env=_environment(HEALTHCARE_HOME=str(occupied)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout.count("\n") == 1
    assert "set HEALTHCARE_HOME to a folder that you may write to" in run.stdout
    assert "Traceback" not in run.stderr


@pytest.mark.skipif(not (ROOT / ".venv" / ".ready-run").exists(), reason="make's own environment is not there")
def test_a_second_scoring_server_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        variables = {"HEALTHCARE_HOME": str(tmp_path), "HEALTHCARE_SERVE_PORT": port}
        refused = _make("-o", ".venv/.ready-run", "serve", **variables)
    assert refused.returncode != 0
    assert refused.stdout.startswith(f"Port {port} of 127.0.0.1 cannot be had")
