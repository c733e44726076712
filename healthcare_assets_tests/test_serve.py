"""`make serve` as it is used: a process of its own, real requests, raw records."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from healthcare_assets import serve
from healthcare_assets.domain.serving import ANSWER_COLUMNS
from healthcare_assets.errors import SettingsError
from healthcare_assets.policy import POLICY
from healthcare_assets_tests.champions import home_with_champion
from healthcare_assets_tests.fuzzing.malformed_requests import malformed_request
from healthcare_assets_tests.loopback import refusing

ROOT = Path(__file__).parents[1]
RECORD: Mapping[str, Any] = {
    "patient_id": "P-4711",
    "first_name": "Annabelle",
    "last_name": "Montgomery",
    "age": 64,
    "sex": "male",
    "region": "southwest",
    "bmi": 36.2,
    "smoker": "yes",
    "children": 2,
    "charges": None,
    "insurance_plan": "Gold",
    "coverage_start_date": "2020-01-01",
    "timestamp": "2026-01-05T10:00:00Z",
}
"""As the source writes it."""
IDENTIFYING = ("P-4711", "Annabelle", "Montgomery")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A scoring server that runs, and what it has said."""

    port: int
    output: Path

    def post(self, body: bytes | Any, content_type: str | None = "application/json") -> tuple[int, Any]:
        """Status and JSON of the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/invocations", data=data, method="POST")
        if content_type is not None:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def answers(self, body: bytes | Any, content_type: str | None = "application/json") -> list[dict[str, Any]]:
        status, answer = self.post(body, content_type)
        assert status == 200, answer
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions


def _environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEALTHCARE_", "DAGSTER_"))}
    return {**kept, **variables}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_with_champion(tmp_path_factory.mktemp("a home") / "with a blank")


@pytest.fixture(scope="module")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    output = tmp_path_factory.mktemp("server") / "output"
    with refusing() as port, output.open("wb") as told:
        variables = {"HEALTHCARE_HOME": str(home), "HEALTHCARE_SERVE_PORT": str(port)}
        process = subprocess.Popen(
            [sys.executable, "-m", "healthcare_assets.serve"],
            cwd=ROOT,
            env=_environment(**variables),
            stdout=subprocess.PIPE,
            stderr=told,
        )
        assert process.stdout is not None
        try:
            assert f"http://127.0.0.1:{port}/invocations" in process.stdout.readline().decode(), output.read_text()
            # The port is open before the line is written: a request waits until the server takes it.
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=120) as ping:
                assert ping.status == 200
            yield Server(port=port, output=output)
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read().decode()
            process.stdout.close()
            assert process.wait(timeout=60) == 0
        assert rest.strip() == "Stopped."


def test_a_raw_record_is_answered_with_all_that_the_model_says(server: Server) -> None:
    [answer] = server.answers({"dataframe_records": [RECORD]})
    assert tuple(answer) == ANSWER_COLUMNS
    assert 0 <= answer["charges_lower"] <= answer["predicted_charges"] <= answer["charges_upper"]
    assert 0 <= answer["risk_score"] <= 100
    assert answer["risk_category"] == "critical"
    assert answer["reason_codes"][0]["text"].startswith("Smokes: +$")
    assert (answer["model_name"], answer["model_version"]) == ("health_insurance_cost", "1")


AWKWARD: Mapping[str, Any] = {
    "age": " 64.0 ",
    "sex": "M",
    "region": "South-West",
    "bmi": "36.20",
    "smoker": 1,
    "children": "2",
}


@pytest.mark.parametrize("record", [RECORD, AWKWARD, {**AWKWARD, "smoker": True}, {**AWKWARD, "smoker": "Current"}])
@pytest.mark.parametrize(
    "body",
    [
        lambda record: {"dataframe_records": [record]},
        lambda record: {"dataframe_split": {"columns": list(record), "data": [list(record.values())]}},
        lambda record: {"instances": [record]},
        lambda record: {"inputs": [record]},
        lambda record: {"inputs": record},
        lambda record: {"inputs": {name: [value] for name, value in record.items()}},
    ],
    ids=["records", "split", "instances", "inputs", "one input", "columns"],
)
def test_every_format_and_spelling_has_the_same_answer(server: Server, record: Any, body: Any) -> None:
    assert server.answers(body(record)) == server.answers({"dataframe_records": [RECORD]})


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/x-www-form-urlencoded", None])
def test_it_asks_for_no_content_type(server: Server, content_type: str | None) -> None:
    assert len(server.answers({"dataframe_records": [RECORD]}, content_type)) == 1


def test_csv_is_answered_too(server: Server) -> None:
    names = ("age", "sex", "region", "bmi", "smoker", "children")
    body = "\n".join(",".join(str(part) for part in row) for row in (names, [RECORD[name] for name in names]))
    assert server.answers(body.encode(), "text/csv") == server.answers({"dataframe_records": [RECORD]})


def test_records_that_differ_in_their_columns_keep_their_places(server: Server) -> None:
    born = {**{k: v for k, v in AWKWARD.items() if k != "age"}, "birth_date": "1999-01-31"}
    alone = [server.answers({"instances": [record]})[0] for record in (AWKWARD, born, {**AWKWARD, "age": 10**6 % 97})]
    assert server.answers({"instances": [AWKWARD, born, {**AWKWARD, "age": 10**6 % 97}]}) == alone


def test_many_at_once_are_answered_like_one_after_the_other(server: Server) -> None:
    bodies = [{"dataframe_records": [{**RECORD, "age": age, "reference": age}]} for age in range(20, 36)]
    alone = [server.answers(body) for body in bodies]
    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(server.answers, bodies)) == alone
    assert [answer["reference"] for [answer] in alone] == list(range(20, 36))


def test_references_come_back_as_they_were_given(server: Server) -> None:
    given = [17, None, 10**15 - 1]
    found = server.answers({"inputs": [{**RECORD, "reference": reference} for reference in given]})
    assert [answer["reference"] for answer in found] == given


def _with(**changed: Any) -> dict[str, Any]:
    return {"dataframe_records": [RECORD, {**RECORD, **changed}]}


def _without(name: str) -> dict[str, Any]:
    return {"dataframe_records": [{key: value for key, value in RECORD.items() if key != name}]}


MALFORMED: dict[str, tuple[Any, str]] = {
    "no JSON": (b"age=64", "The request is not JSON (line 1, column 1)."),
    "nothing": (b"", "The request is not JSON"),
    "no text": (b"\xff\xfe", "The request is not UTF-8 text."),
    "a list": ([dict(RECORD)], "The request is JSON, but no object."),
    "a bare record": (dict(RECORD), "The request names no records."),
    "no records": ({"dataframe_records": []}, "The request holds no record"),
    "empty records": ({"dataframe_records": [{}, {}]}, "The request has no column age or birth_date, sex, region"),
    "unknown columns": ({"inputs": [{"alter": 64}]}, "The request has no column age or birth_date, sex, region"),
    "two formats": ({"inputs": [], "instances": []}, "The request names instances and inputs."),
    "a chat": ({"messages": [{"role": "user", "content": "hi"}]}, "The request names no records."),
    "ragged rows": ({"dataframe_split": {"columns": ["age", "sex"], "data": [[64]]}}, "Record 1 of dataframe_split"),
    "ragged columns": ({"inputs": {"age": [64, 65], "sex": ["m"]}}, "The columns of inputs are not lists"),
    "deep": (b'{"inputs": ' + b"[" * 50_000, "The request holds JSON that no record is made of."),
    "long number": (b'{"inputs": [{"age": ' + b"9" * 9_999 + b"}]}", "The request holds JSON that no record"),
    "large number": (_with(age=10**4000), "record 2 (age is outside 0–120 years)"),
    "a number too large for a float": (b'{"inputs": [{"age": 1e999}]}', "The request has no column sex"),
    "no sex": (_without("sex"), "The request has no column sex: required are age or birth_date, sex,"),
    "no age": (_without("age"), "The request has no column age or birth_date: required"),
    "null sex": (_with(sex=None), "record 2 (sex is missing)"),
    "unknown sex": (_with(sex="X1"), "record 2 (sex is not female or male)"),
    "half a character": (_with(sex="\ud83d"), "record 2 (sex is not female or male)"),
    "unknown region": (_with(region="Annabelle"), "record 2 (region is not northeast, northwest, southeast or"),
    "BMI too high": (_with(bmi=362), "record 2 (bmi is outside 10–100)"),
    "BMI in words": (_with(bmi="obese"), "record 2 (bmi is not a number)"),
    "a nested BMI": (_with(bmi={"value": [36.2]}), "record 2 (bmi is not a number)"),
    "part of a child": (_with(children=0.5), "record 2 (children is not a whole number)"),
    "several faults": (_with(age=-1, smoker="?"), "record 2 (age is outside 0–120 years; smoker is not yes or no)"),
    "a reference too large": (_with(reference=10**400), "record 2 (reference is neither text nor a whole number"),
    "no reference": (_with(reference=["a"]), "record 2 (reference is neither text nor a whole number of"),
    "too many": (
        {"dataframe_records": [AWKWARD] * (POLICY.serving.maximum_records + 1)},
        "The request holds 10,001 records, and at most 10,000 are taken at once.",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_gets_400_and_a_sentence(server: Server, case: str) -> None:
    body, sentence = MALFORMED[case]
    status, answer = server.post(body)
    assert status == 400
    assert sentence in answer["message"]
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert "\n" not in answer["message"]
    assert not [word for word in IDENTIFYING if word in json.dumps(answer)]


@pytest.mark.slow
def test_a_thousand_malformed_requests_are_refused_each_with_a_sentence_that_quotes_nobody(server: Server) -> None:
    requests = [malformed_request(number, RECORD) for number in range(1_000)]
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda request: server.post(*request), requests))
    assert [number for number, (status, _) in enumerate(answers) if not 400 <= status < 500] == []
    assert [number for number, (_, answer) in enumerate(answers) if "\n" in answer["message"]] == []
    said = json.dumps([answer for _, answer in answers])
    assert not [word for word in IDENTIFYING if word in said]
    server.answers({"dataframe_records": [RECORD]})


def test_too_large_a_request_is_told_so(server: Server) -> None:
    status, answer = server.post(b" " * (POLICY.serving.maximum_body_bytes + 1))
    assert (status, answer["message"]) == (400, "The request is larger than 16 MB: send its records in parts.")


def test_nobody_is_found_in_what_the_server_writes(server: Server, home: Path) -> None:
    server.post({"dataframe_records": [RECORD]})
    server.post(_with(sex="Annabelle"))
    files = [server.output, *(path for path in (home / "serving").rglob("*") if path.is_file())]
    assert not [path for path in files for word in IDENTIFYING if word.encode() in path.read_bytes()]
    assert (home / "serving" / "1" / "MLmodel").is_file()


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "5001.0", "²"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(SettingsError, match=r"HEALTHCARE_SERVE_PORT is .*: set it to a number from 1 to 65535"):
        serve.port_from({"HEALTHCARE_SERVE_PORT": port})


@pytest.mark.parametrize("port", ["", "  "])
def test_without_a_port_it_is_5001(port: str) -> None:
    assert serve.port_from({}) == serve.port_from({"HEALTHCARE_SERVE_PORT": port}) == 5001


def test_a_port_that_is_taken_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("HEALTHCARE_SERVE_PORT", str(taken.getsockname()[1]))
        monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
        assert serve.main() == 1
    assert "stop what listens there (another make serve?), or set HEALTHCARE_SERVE_PORT" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_without_a_champion_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with refusing() as port:
        monkeypatch.setenv("HEALTHCARE_SERVE_PORT", str(port))
    monkeypatch.setenv("HEALTHCARE_HOME", str(tmp_path))
    monkeypatch.delenv("HEALTHCARE_ENV", raising=False)
    assert serve.main() == 1
    assert capsys.readouterr().out.strip() == (
        "No champion yet: materialise trained_model and governance_verdict first."
    )
