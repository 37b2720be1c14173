"""What a job would take at scale grows as it should, names what breaks first, and reads nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sequitur import beam_job
from sequitur.command_line.common import quantity
from sequitur.inspection.scale import Machines, plan_at_scale
from sequitur.pipeline.config import validate
from sequitur.pipeline.runner import Runner

GIB = 2**30
ELSEWHERE = Runner(1, ["--runner=PortableRunner"])
RUN = {"output": "no-file-system://nowhere/run", "ingest": {"inputs": ["no-file-system://nowhere/*.jsonl"]}}


def planned(
    documents: int,
    cores: tuple[int, ...] = (100,),
    driver: int = 64 * GIB,
    driver_cores: int = 1,
    runner: Runner = ELSEWHERE,
    **settings: Any,
) -> dict[str, Any]:
    machines = [Machines(number, 4 * GIB, driver_cores, driver, 0.05) for number in cores]
    return plan_at_scale(beam_job.RECIPE, validate(RUN | settings, "test"), documents, 4000, machines, runner)


def by_name(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {stage["name"]: stage for stage in found["stages"]}


def test_what_grows_with_the_documents_and_what_does_not() -> None:
    small, large = by_name(planned(10**7)), by_name(planned(10**8))
    assert list(small) == [stage.name for stage in beam_job.RECIPE if stage.name != "refine"]
    for name in ("ingest", "annotate", "tokenize", "embed"):
        assert large[name]["core_seconds"] == pytest.approx(10 * small[name]["core_seconds"])
        assert large[name]["driver_seconds"] == small[name]["driver_seconds"]
        assert large[name]["driver_memory"] == small[name]["driver_memory"]
    assert large["neighbors"]["core_seconds"] > 10 * small["neighbors"]["core_seconds"]
    for name in large:
        assert large[name]["stored"] >= small[name]["stored"]
        assert large[name]["shuffled"] == pytest.approx(10 * small[name]["shuffled"])


def test_cores_divide_what_workers_do_and_cost_while_the_driver_works() -> None:
    few, many = planned(10**8, cores=(100, 1000))["machines"]
    stages = by_name(planned(10**8))
    for name, stage in stages.items():
        assert few["seconds"][name] == pytest.approx(stage["core_seconds"] / 100 + stage["driver_seconds"])
        assert many["seconds"][name] <= few["seconds"][name]
        assert many["cost"][name] >= few["cost"][name] or stage["core_seconds"] == 0
    assert few["all_seconds"] == pytest.approx(sum(few["seconds"].values()))


def test_the_drivers_cores_divide_what_it_does_on_threads() -> None:
    one, many = by_name(planned(10**8)), by_name(planned(10**8, driver_cores=16))
    assert many["order"]["driver_seconds"] < one["order"]["driver_seconds"] / 3
    assert many["select"]["driver_seconds"] == one["select"]["driver_seconds"]


def test_workers_arrange_cells_where_there_are_some() -> None:
    here, elsewhere = by_name(planned(10**7, runner=Runner(1)))["order"], by_name(planned(10**7))["order"]
    assert here["core_seconds"] == here["shuffled"] == 0
    assert here["driver_seconds"] == pytest.approx(elsewhere["driver_seconds"] + elsewhere["core_seconds"])
    assert elsewhere["shuffled"] > 0
    assert elsewhere["driver_memory"] < here["driver_memory"]


def test_the_first_to_break_would_break_with_the_fewest_documents() -> None:
    found = planned(2 * 10**9)["breaks"]
    assert [one["documents"] for one in found] == sorted(one["documents"] for one in found)
    pack = next(one for one in found if one["stage"] == "pack")
    assert pack["needs"] > pack["has"] == 64 * GIB
    fewer = planned(pack["documents"])
    assert by_name(fewer)["pack"]["driver_memory"] == pytest.approx(64 * GIB, rel=0.1)
    assert planned(10**6)["breaks"] == []


def test_what_is_shuffled_on_one_machine_waits_in_files() -> None:
    here, elsewhere = by_name(planned(10**7, runner=Runner(1))), by_name(planned(10**7))
    more = here["select"]["driver_memory"] - elsewhere["select"]["driver_memory"]  # for where it lies
    assert 0 < more < 0.1 * here["select"]["shuffled"] < 0.1 * here["select"]["stored"]
    assert here["select"]["shuffled"] == elsewhere["select"]["shuffled"]


def test_the_command_reads_no_input(sequitur: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(json.dumps(RUN))
    runner = tmp_path / "spark.yaml"
    runner.write_text("runner: PortableRunner\njob_endpoint: localhost:1\n")
    ended = sequitur("plan", path, "--documents", "235M", "--on", runner, "--driver-memory", "64GiB", "--json")
    told = json.loads(ended.out)
    assert ended.code == 0
    assert told["documents"] == 235_000_000
    assert [one["cores"] for one in told["machines"]] == [100, 1000]
    assert not told["breaks"]
    shown = sequitur("plan", path, "--documents", "2B", "--on", runner, "--driver-memory", "64GiB", "--cores", "7")
    assert "time on 7 cores" in shown.out
    assert "breaks first" in shown.out
    for name in by_name(told):
        assert name in shown.out


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("235M", 235_000_000), ("2B", 2_000_000_000), ("1e10", 10**10), ("64GiB", 64 * GIB), ("1.5 kB", 1500)],
)
def test_numbers_as_people_write_them(text: str, number: int) -> None:
    assert quantity(text, "--documents") == number


@pytest.mark.parametrize("wrong", ["many", "0", "-3", "1e999", "12Q", ""])
def test_a_number_of_documents_that_is_none(sequitur: Callable[..., Any], tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(json.dumps(RUN))
    ended = sequitur("plan", path, f"--documents={wrong}")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "--documents" in ended.err
