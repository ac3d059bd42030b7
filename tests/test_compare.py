"""Two studies held against each other: `paribus compare`, and `paribus.compare`."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

import paribus
from paribus.agreement import answer, notes
from paribus.comparison import TwoStudies, compare, read_side
from paribus.engines.base import Record
from paribus.errors import InputError, StoreError
from paribus.report.comparison import render
from paribus.stats.paired import Paired, holm, paired
from paribus.stats.unpaired import welch
from paribus.store.store import Store
from tests.stores import with_metrics
from tests.test_cli import paribus as command
from tests.test_ratio_outcomes import content_of


def run(store: Path, **changes: Any) -> paribus.Result:
    settings: dict[str, Any] = {
        "data": "digits",
        "model": {"hidden": [8]},
        "train": {"epochs": 1, "batch_size": 64, "learning_rate": 0.01},
        "factors": {"train.optimizer": ["sgd", "adam"]},
        "seeds": 6,
        "margin": 0.02,
        **changes,
    }
    study = paribus.Study("Which optimizer?", name="base", **settings)
    return study.run(store=store, workers=1, progress=False)


TRAIN = {"epochs": 1, "batch_size": 64, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare") / "s.sqlite"


@pytest.fixture(scope="module")
def base(store: Path) -> paribus.Result:
    return run(store)


@pytest.fixture(scope="module")
def longer(store: Path) -> paribus.Result:
    return run(store, train={**TRAIN, "epochs": 2})


def differences(found: paribus.Comparison) -> dict[str, tuple[str, str]]:
    return {one.what: (one.here, one.there) for one in found.differences.itertuples()}


def values(result: paribus.Result, arm: str) -> np.ndarray:
    runs = result.runs
    return runs[runs["arm"] == arm].sort_values("seed")["test_accuracy"].to_numpy()


def test_one_other_control_is_all_that_differs_and_runs_are_paired_within_seeds(
    base: paribus.Result, longer: paribus.Result
) -> None:
    found = paribus.compare(longer, base)
    assert differences(found) == {"train.epochs": ("2", "1")}
    assert found.answer.startswith("They differ in train.epochs (2 here, 1 there). ")
    assert list(found.arms["arm"]) == ["sgd", "adam"]
    tests = []
    for one in found.arms.itertuples():
        here, there = values(longer, one.arm), values(base, one.arm)
        test = stats.ttest_rel(here, there)
        interval = test.confidence_interval(0.95)
        tests.append(test.pvalue)
        assert (one.n_here, one.n_there, one.n, one.same_runs) == (6, 6, 6, 0)
        assert (one.mean_here, one.mean_there) == pytest.approx((here.mean(), there.mean()))
        assert one.sd_there == pytest.approx(there.std(ddof=1))
        assert one.difference == pytest.approx((here - there).mean())
        assert (one.low, one.high) == pytest.approx((interval.low, interval.high))
    assert list(found.arms["p_adjusted"]) == pytest.approx(list(holm(np.array(tests))))
    assert found.arms["verdict"][1] == "better"  # adam with twice the training, far from its end
    (contrast,) = found.contrasts.itertuples()
    assert (contrast.verdict_here, contrast.verdict_there) == (
        longer.contrasts["verdict"][0],
        base.contrasts["verdict"][0],
    )
    assert contrast.difference_here == pytest.approx(longer.contrasts["difference"][0])
    assert "paired within seeds" in found.notes[0]


def test_the_other_way_round_it_is_the_mirror_image(
    base: paribus.Result, longer: paribus.Result
) -> None:
    one, other = paribus.compare(longer, base), paribus.compare(base, longer)
    assert list(other.arms["difference"]) == pytest.approx(list(-one.arms["difference"]))
    assert list(other.arms["low"]) == pytest.approx(list(-one.arms["high"]))
    assert other.arms["verdict"][1] == "worse"
    assert differences(other) == {"train.epochs": ("1", "2")}


def test_another_seed_of_the_study_has_other_rows_and_is_not_paired(
    base: paribus.Result, store: Path
) -> None:
    reseeded = run(store, seed=1, seeds=7)
    found = paribus.compare(reseeded, base)
    assert differences(found) == {"seeds": ("7", "6"), "study's seed": ("1", "0")}
    for one in found.arms.itertuples():
        here, there = values(reseeded, one.arm), values(base, one.arm)
        test = stats.ttest_ind(here, there, equal_var=False)
        interval = test.confidence_interval(0.95)
        assert (one.n_here, one.n_there, one.n) == (7, 6, 6)
        assert one.p == pytest.approx(test.pvalue)
        assert (one.low, one.high) == pytest.approx((interval.low, interval.high))
    told = " ".join(found.notes)
    assert "not paired (the seeds of the studies differ): Welch's t" in told
    assert "Each study has test rows of its own" in told
    assert found.answer.endswith(", each study on test rows of its own.")


def test_the_same_runs_are_no_replication(base: paribus.Result, store: Path) -> None:
    """Beta 1 is of adam alone: the runs of sgd are those of the other study."""
    optimizers = {"train.optimizer": ["sgd", "adam", "rmsprop"]}
    more = run(store, seeds=8, factors=optimizers, train={**TRAIN, "beta1": 0.5})
    found = paribus.compare(more, base)
    assert differences(found) == {
        "train.beta1 of adam": ("0.5", "0.9"),
        "seeds": ("8", "6"),
        "arm rmsprop": ("yes", "no"),
    }
    sgd, adam = found.arms.itertuples()
    assert (sgd.same_runs, sgd.verdict) == (6, "the same runs")
    assert np.isnan([sgd.difference, sgd.p, sgd.p_adjusted]).all()
    assert found.notes[0].startswith("6 of the 16 runs here are the same stored runs there")
    assert (adam.same_runs, adam.n) == (0, 6)
    assert adam.p == pytest.approx(
        stats.ttest_rel(values(more, "adam")[:6], values(base, "adam")).pvalue
    )
    assert adam.p_adjusted == pytest.approx(adam.p)  # the only test
    assert "of 2 arms 1 is" in found.answer
    assert "1 with the same runs in both" in found.answer


def test_the_same_study_from_another_store_says_whether_its_runs_came_out_the_same(
    base: paribus.Result, store: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy(store, copy)
    found = held(store, copy, base.analysis.key)
    assert answer(found).startswith("They differ in nothing that is recorded. ")
    assert "The runs of both arms are the same; the one verdict is the same" in answer(found)
    assert [(one.same.runs, one.same.unlike) for one in found.arms] == [(6, 0), (6, 0)]
    assert not any("Holm" in note for note in notes(found))
    other = {"test_accuracy": base.runs["test_accuracy"][0] + 0.0125}
    with_metrics(copy, lambda key, metrics: metrics | (other if key == base.runs["run"][0] else {}))
    found = held(store, copy, base.analysis.key)
    assert [one.same.unlike for one in found.arms] == [1, 0]
    told = " ".join(notes(found))
    assert "1 of these have another test accuracy there, by up to 1.25 points" in told


def held(here: Path, there: Path, key: str) -> TwoStudies:
    with Store(here) as ours, Store(there) as theirs:
        return compare(read_side(ours, key), read_side(theirs, key))


def test_a_study_is_not_compared_with_itself(base: paribus.Result) -> None:
    with pytest.raises(InputError, match="cannot be compared with itself"):
        paribus.compare(base, base)


# --- made-up stores -----------------------------------------------------------------------------


def made_up(
    path: Path,
    arms: Mapping[str, Sequence[float]],
    environment: Mapping[str, str] | None = None,
    keys: str = "",
    settings: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """A store with a study of runs that never were; `keys` tells its runs from others."""
    seeds = max(map(len, arms.values()))
    data = {"data set": "digits", "test rows": "360", "checksum": "c"}
    content = content_of({"engine": tuple(arms)}, seeds, **{"data": data, **changes})
    for arm in content["arms"]:
        arm["settings"] |= settings or {}
    with Store(path, create=True) as store:
        places = [(a, b) for a, values in enumerate(arms.values()) for b in range(len(values))]
        runs = [(b, a, f"{keys}{a}-{b}") for a, b in places]
        store.add_study("k" * 32, "s", "?", content, runs)
        for (*_, key), value in zip(runs, np.concatenate(list(arms.values())), strict=True):
            status: Any = "diverged" if np.isnan(value) else "done"
            metrics = {} if np.isnan(value) else {content["outcome"]: float(value)}
            store.add_record(Record(key, status, "", metrics), environment or {})
    return path


def both(here: Path, there: Path) -> TwoStudies:
    return held(here, there, "s")


NOISE = np.exp(np.random.default_rng(2).normal(0, 0.02, (4, 10)))


def test_times_on_two_machines_are_ratios_and_the_machine_comes_first(tmp_path: Path) -> None:
    here = made_up(
        tmp_path / "a.sqlite",
        {"torch": 1.0 * NOISE[0], "jax": 0.5 * NOISE[1]},
        {"processor": "new", "Python": "3.12"},
        keys="a",
        controls={"train.threads": "2"},
    )
    there = made_up(
        tmp_path / "b.sqlite",
        {"torch": 2.0 * NOISE[2], "jax": 1.0 * NOISE[3]},
        {"processor": "old", "Python": "3.12"},
        keys="b",
        margin=0.1,
    )
    found = both(here, there)
    first, *_ = found.differing.differences
    assert (first.kind, first.what, first.here, first.there) == (
        *("environment", "processor"),
        *("new", "old"),
    )
    torch, jax = found.arms
    assert torch.effect is not None
    logs = np.log(NOISE[0]) - np.log(2 * NOISE[2])
    assert torch.effect.difference == pytest.approx(logs.mean())
    assert (torch.verdict, jax.verdict) == ("better", "better")
    assert "both arms are better here." in answer(found)
    assert found.margin == 0.05  # the smaller
    lines = shown(found)
    assert "×0.50" in lines
    assert "here / there" in lines
    assert "measured in a session of its own" in " ".join(lines.split())


def test_a_time_that_was_taken_again_is_another_one(tmp_path: Path) -> None:
    times = {"torch": NOISE[0], "jax": NOISE[1]}
    here = made_up(tmp_path / "a.sqlite", times)
    there = made_up(tmp_path / "b.sqlite", {"torch": NOISE[2], "jax": NOISE[3]})
    copied = tmp_path / "c.sqlite"
    shutil.copy(here, copied)
    assert [one.same.runs for one in both(here, there).arms] == [0, 0]
    assert [one.same.runs for one in both(here, copied).arms] == [10, 10]


def test_what_cannot_be_compared_says_why_and_what_differs(tmp_path: Path) -> None:
    arms = {"torch": NOISE[0], "jax": NOISE[1]}
    here = made_up(tmp_path / "a.sqlite", arms, keys="a", outcome="train_seconds")
    there = made_up(tmp_path / "b.sqlite", arms, keys="b")
    found = both(here, there)
    assert (
        "They cannot be compared: the study here is judged by training time, that there by time "
        "per epoch."
    ) in answer(found)
    assert [one.what for one in found.differing.differences] == ["outcome"]
    assert found.arms == found.contrasts == ()
    assert "They cannot be compared" in " ".join(shown(found).split())
    other = made_up(tmp_path / "c.sqlite", {"numpy": NOISE[0], "tinygrad": NOISE[1]})
    assert "no arm of one has the name of an arm of the other" in answer(
        both(here=other, there=there)
    )


def test_few_seeds_are_a_pilot(tmp_path: Path) -> None:
    here = {"torch": NOISE[0, :5], "jax": NOISE[1]}
    there = {"torch": 3 * NOISE[2], "jax": 3 * NOISE[3]}
    found = both(
        made_up(tmp_path / "a.sqlite", here, keys="a"),
        made_up(tmp_path / "b.sqlite", there, keys="b"),
    )
    assert [one.verdict for one in found.arms] == ["pilot", "better"]
    assert "Fewer than 6 seeds are a pilot and get no verdict." in notes(found)


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        ((1.0, 0.5), (1.0, 0.5), "the one verdict is the same: better"),
        ((1.0, 0.5), (1.0, 2.0), "the one verdict is better here and worse there"),
    ],
)
def test_verdicts_agree_or_not(
    here: tuple[float, float], there: tuple[float, float], said: str, tmp_path: Path
) -> None:
    paths = [
        made_up(tmp_path / name, {"torch": a * NOISE[0], "jax": b * NOISE[1]}, keys=name)
        for name, (a, b) in {"a.sqlite": here, "b.sqlite": there}.items()
    ]
    assert said in answer(both(*paths)).lower()


def test_many_verdicts_are_counted_and_those_that_differ_named(tmp_path: Path) -> None:
    here = {"a": NOISE[0], "b": 2 * NOISE[1], "c": 3 * NOISE[2], "d": NOISE[3] ** 4}
    there = {"a": NOISE[1], "b": 2 * NOISE[0], "c": NOISE[3] / 3, "d": 4 * NOISE[2]}
    found = both(
        made_up(tmp_path / "a.sqlite", here, keys="a"),
        made_up(tmp_path / "b.sqlite", there, keys="b"),
    )
    assert (
        "1 of 3 verdicts agree, 1 differs (c against a: worse here, better there), 1 is decided "
        "there alone; of 4 arms"
    ) in answer(found)
    assert "does not say that the two differ" in " ".join(notes(found))


def test_runs_that_did_not_finish_are_told_and_their_seeds_left_out(tmp_path: Path) -> None:
    lost = NOISE[0].copy()
    lost[[2, 7]] = np.nan
    found = both(
        made_up(tmp_path / "a.sqlite", {"torch": lost, "jax": NOISE[1]}, keys="a"),
        made_up(tmp_path / "b.sqlite", {"torch": NOISE[2], "jax": NOISE[3]}, keys="b"),
    )
    d = np.log(lost) - np.log(NOISE[2])
    effect = found.arms[0].effect
    assert isinstance(effect, Paired)
    assert (effect.n, effect.difference) == (8, pytest.approx(np.nanmean(d)))
    assert notes(found)[-1] == "Not all runs finished here: torch diverged 2/10."
    assert "over the seeds that both have" in notes(found)[0]


def test_splits_that_share_rows_count_in_the_intervals(tmp_path: Path) -> None:
    scores = {"torch": 0.9 * NOISE[0], "jax": 0.8 * NOISE[1]}
    others = {"torch": 0.9 * NOISE[2], "jax": 0.8 * NOISE[3]}
    of_rows: dict[str, Any] = {"outcome": "test_accuracy", "overlap": 0.25}
    here = made_up(tmp_path / "a.sqlite", scores, keys="a", **of_rows)
    paired_there = made_up(tmp_path / "b.sqlite", others, keys="b", **of_rows)
    there = made_up(tmp_path / "c.sqlite", others, keys="c", spec="seed: 1", **of_rows)
    a, b = np.array(scores["torch"]), np.array(others["torch"])
    for store, expected in (
        (paired_there, paired(a - b, overlap=0.25)),
        (there, welch(a, b, (0.25, 0.25))),
    ):
        found = both(here, store)
        effect = found.arms[0].effect
        assert effect is not None
        assert (effect.low, effect.high) == pytest.approx((expected.low, expected.high))
        assert not found.other_rows
        assert "corrected for the rows that splits share" in " ".join(notes(found))


def test_what_is_decided_in_neither_neither_agrees_nor_differs(tmp_path: Path) -> None:
    paths = [
        made_up(tmp_path / f"{name}.sqlite", dict(zip("abc", noise, strict=True)), keys=name)
        for name, noise in {"x": NOISE[:3] ** 8, "y": NOISE[1:] ** 8}.items()
    ]
    assert "none of 2 contrasts is decided in both, 2 are decided in neither" in (
        answer(both(*paths)).lower()
    )


def test_an_older_store_without_new_settings_holds_them_at_their_defaults(tmp_path: Path) -> None:
    times = {"torch": NOISE[0], "jax": NOISE[1]}
    old = made_up(tmp_path / "a.sqlite", times, keys="a", controls={"train.log_every": "0"})
    new = made_up(
        *(tmp_path / "b.sqlite", times),
        keys="b",
        controls={"train.log_every": "0", "train.measure_gradients": "false"},
        settings={"train.log_every": 0, "train.measure_gradients": False},
    )
    assert both(old, new).differing.differences == ()


def test_names_from_a_store_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    hostile = "\x1b[31m[bold]x[/bold]\x07"
    there = {"torch": 2 * NOISE[2], hostile: NOISE[3]}
    found = both(
        made_up(
            tmp_path / "a.sqlite", {"torch": NOISE[0], hostile: NOISE[1]}, {"GPU": hostile}, "a"
        ),
        made_up(tmp_path / "b.sqlite", there, {"GPU": "none"}, "b", controls={hostile: hostile}),
    )
    text = shown(found)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]x[/bold]" in text


def shown(found: TwoStudies, width: int = 80) -> str:
    file = io.StringIO()
    render(found, Console(file=file, width=width, highlight=False, markup=False))
    return file.getvalue()


# --- the command line ---------------------------------------------------------------------------


def test_the_command_tells_what_python_does(
    base: paribus.Result, longer: paribus.Result, store: Path
) -> None:
    keys = [one.analysis.key[:8] for one in (longer, base)]
    told = command(store.parent, "compare", *keys, "--store", "s.sqlite")
    assert told.returncode == 0, told.stderr
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert "\x1b" not in told.stdout
    lines = told.stdout.splitlines()
    assert lines[0].startswith(f"here:  base ({keys[0]}) on digits, 12 runs, ")
    assert lines[1].startswith(f"there: base ({keys[1]}) on digits, 12 runs, ")
    found = paribus.compare(longer, base)
    assert "".join(found.answer.split()) in "".join(told.stdout.split())
    assert any(line.split() == ["train.epochs", "2", "1"] for line in lines)
    record = json.loads(
        command(store.parent, "compare", *keys, "--store", "s.sqlite", "--json").stdout
    )
    assert record["answer"] == found.answer
    assert record["comparable"] is True
    assert record["paired"] is True
    pd.testing.assert_frame_equal(pd.DataFrame(record["arms"]), found.arms)
    pd.testing.assert_frame_equal(pd.DataFrame(record["contrasts"]), found.contrasts)


def test_a_missing_study_gets_the_error_of_show(base: paribus.Result, store: Path) -> None:
    with Store(store) as opened, pytest.raises(StoreError) as error:
        opened.study("basis")
    told = command(store.parent, "compare", base.analysis.key, "basis", "--store", str(store))
    assert (told.returncode, told.stdout, told.stderr) == (2, "", f"paribus: {error.value}\n")
    with pytest.raises(StoreError, match="there is no store"):
        held(store, store.parent / "none.sqlite", base.analysis.key)
