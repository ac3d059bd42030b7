"""Before frameworks are timed against each other: proof that they do the same maths."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict

from paribus.engines.base import Task
from paribus.engines.proof import Agreement, agreement
from paribus.errors import RunError
from paribus.findings import Proof
from paribus.models.build import network
from paribus.report.wording import apart, listed
from paribus.store.store import Store
from paribus.study.design import Arm, Design
from paribus.workers.base import Clock

_REFERENCE = "torch"  # where it is among the engines


def pairs_to_prove(design: Design) -> Iterator[tuple[Arm, Arm]]:
    """Yield every arm that has another engine than its reference, and otherwise its settings.

    Frameworks as they come (`defaults: framework`) are not meant to do the same.
    """
    if not design.timed or design.spec.defaults == "framework":
        return
    alike: dict[str, list[Arm]] = defaultdict(list)
    for arm in design.arms:
        values = arm.config.model_dump(mode="json")
        for name in ("engine", "threads"):
            values["train"].pop(name)
        alike[json.dumps(values, sort_keys=True)].append(arm)
    for arms in alike.values():
        reference = next((arm for arm in arms if arm.engine.name == _REFERENCE), arms[0])
        seen = {reference.engine.name}
        for arm in arms:
            if arm.engine.name not in seen:
                seen.add(arm.engine.name)
                yield arm, reference


def prove(design: Design, store: Store, workers: Clock) -> None:
    """Prove that the frameworks of a study do the same maths, and keep the proof.

    What is proved already is not proved again. Raises RunError where they do not.
    """
    pairs = list(pairs_to_prove(design))
    if not pairs or store.proofs(design.key):
        return
    traced = {
        arm.name: workers.trace(_without_dropout(arm, design))
        for arm in {arm.name: arm for pair in pairs for arm in pair}.values()
    }
    found = [
        Proof(
            arm.name,
            reference.name,
            **asdict(agreement(traced[arm.name], traced[reference.name])),
            without_dropout=bool(arm.config.model.dropout),
        )
        for arm, reference in pairs
    ]
    for one in found:
        if not Agreement(one.gradient, one.loss, one.update, one.epoch_loss).holds:
            told = [f"{what} {value:.1e} (at most {most:.0e})" for what, value, most in apart(one)]
            raise RunError(
                f"{one.arm} and {one.reference} do not do the same maths, so their times are of "
                f"different work; relative difference of {listed(told)}. Nothing was timed. To "
                f"compare frameworks as they come, set defaults: framework"
            )
    store.add_proofs(design.key, [asdict(one) for one in found])


def _without_dropout(arm: Arm, design: Design) -> Task:
    """Return the first run of an arm without dropout, which every framework draws by itself."""
    model = arm.config.model.model_copy(update={"dropout": 0.0})
    config = arm.config.model_copy(update={"model": model})
    made = network(model, design.shape_of(config), design.dataset.outputs, design.spec.given)
    key = f"proof of {arm.name}"
    return Task(key, config, made, design.spec.seed, design.first_block, arm.engine)
