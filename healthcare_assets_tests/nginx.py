"""An nginx of the tests' own, with the configuration that docs/login shows: names and ports are the tests'."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from healthcare_assets.environments import PROJECT_ROOT

SHOWN = PROJECT_ROOT / "docs" / "login"
USER, PASSWORD = "ada", "a password of the tests"

_MAIN = """
daemon off;
pid nginx.pid;
error_log stderr;
{user}
events {{}}
http {{
    access_log access.log;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include healthcare.conf;
}}
"""


@contextmanager
def nginx(folder: Path, *, login: str, ports: Mapping[str, int], places: Mapping[str, int]) -> Iterator[Path]:
    """Runs it; gives the certificate that its clients have to trust.

    `login` is the file of docs/login that says who may come, `ports` are those of the proxy for dagster and mlflow,
    `places` those of the servers behind it. Leaves the test out where nginx is not installed.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("no nginx on this machine: install Debian's package nginx-light")
    shutil.copytree(SHOWN, folder)
    own = folder / "healthcare"
    certificate = _certificate(folder)
    shutil.copy(own / login, own / "login.conf")
    (own / "passwords").write_text(f"{USER}:{_hashed(PASSWORD)}\n", encoding="ascii")
    for name, port in ports.items():
        (own / f"{name}.conf").write_text(f"listen 127.0.0.1:{port} ssl;\n", encoding="ascii")
    upstreams = [f"upstream {name} {{ server 127.0.0.1:{port}; }}" for name, port in places.items()]
    keys = [f"ssl_certificate {certificate};", f"ssl_certificate_key {folder / 'key.pem'};"]
    (own / "places.conf").write_text("\n".join([*upstreams, *keys]), encoding="utf-8")
    # Started by root its workers would be somebody else, who may not enter the tests' folders.
    user = "user root;" if folder.owner() == "root" else ""
    (folder / "nginx.conf").write_text(_MAIN.format(user=user), encoding="utf-8")
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    with (folder / "nginx.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield certificate
    finally:
        process.terminate()
        process.wait(timeout=60)


def _hashed(password: str) -> str:
    command = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout.strip()


def _certificate(folder: Path) -> Path:
    """Of 127.0.0.1, signed by itself."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run([*command, *files], capture_output=True, check=True)
    return folder / "certificate.pem"
