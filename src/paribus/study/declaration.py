"""What a store keeps of a study besides its runs: enough to analyse it without any engine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from paribus.models.layers import Network
from paribus.models.outline import LayerSummary, outline
from paribus.models.own import OwnNetwork
from paribus.models.surfaces import SURFACES
from paribus.study.config import Config
from paribus.study.confounds import find
from paribus.study.design import Arm, Design
from paribus.study.problems import known_paths, show
from paribus.study.resolved import inapplicable
from paribus.study.rows import Sizes


def declaration(design: Design, command: str) -> dict[str, Any]:
    """Return a study as JSON-ready values: specification, arms, contrasts, confounds, data.

    The arms of alternatives follow those that are judged.
    """
    spec = design.spec
    return {
        "spec": spec.to_yaml(),
        "reason": spec.reason,
        "asks": spec.asks,
        "outcome": design.outcome.name,
        "margin": spec.margin,
        "also": spec.also,
        "steps": spec.contrasts == "steps",
        "defaults": spec.defaults,
        "unavailable": design.unavailable,
        "reach": spec.reach,
        "search": design.first_block > 0,
        "seeds": spec.blocks,
        "looks": {"seeds": spec.looks, "planned": spec.seeds == "auto"},
        "factors": _factors(design),
        "reference": _reference(design),
        "arms": [_arm(design, arm) for arm in design.trained_arms],
        "contrasts": contrasts(design),
        "confounds": [asdict(one) for one in find(design)],
        "controls": _controls(design),
        "data": _data(design),
        "classes": list(design.dataset.classes),
        "split": spec.data.split,
        "folds": spec.data.folds,
        "overlap": _overlap(design),
        "engine": " or ".join(f"{e.name} {e.version} on {e.device}" for e in design.engines),
        "command": command,
        "tuning": _tuning(design),
    }


def contrasts(design: Design) -> list[dict[str, Any]]:
    """Return the comparisons that a study asks for: arm and baseline by index, and their names.

    All pairs; or each step with the one before it, and the last with the first; or each arm with
    the one that has the baseline's levels and otherwise its own.
    """
    arms, factors = design.arms, design.spec.arms_differ_in
    if design.spec.contrasts == "steps":
        steps = [(i, i - 1) for i in range(1, len(arms))]
        ends = [(len(arms) - 1, 0)] if len(arms) > 2 else []
        return [
            _contrast(i, j, f"{arms[i].name} against {arms[j].name}", "") for i, j in steps + ends
        ]
    if design.spec.contrasts == "pairs":
        return [
            _contrast(j, i, f"{arms[j].name} against {arms[i].name}", "")
            for i in range(len(arms))
            for j in range(i + 1, len(arms))
        ]
    by_levels = {tuple(arm.levels.items()): index for index, arm in enumerate(arms)}
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for baseline in design.spec.baselines:
        compared = [f for f in factors if f.key in baseline]
        others = [f for f in factors if f.key not in baseline]
        for index, arm in enumerate(arms):
            base = by_levels.get(tuple({**arm.levels, **baseline}.items()), index)
            if base == index:  # or left out, because it is not to be had
                continue
            own = ", ".join(f.phrase(arm.levels[f.key]) for f in compared)
            theirs = ", ".join(baseline[f.key] for f in compared)
            condition = " · ".join(f.phrase(arm.levels[f.key]) for f in others)
            found.setdefault(
                (index, base), _contrast(index, base, f"{own} against {theirs}", condition)
            )
    order = {text["varies"]: place for place, text in reversed(list(enumerate(found.values())))}
    return sorted(found.values(), key=lambda one: order[one["varies"]])


def _factors(design: Design) -> dict[str, list[str]]:
    """Return the levels of each factor; those that are not to be had here are left out.

    A factor of which one level is left is none.
    """
    found = {
        f.label: [
            level.label
            for level in f.levels
            if any(arm.levels[f.key] == level.label for arm in design.arms)
        ]
        for f in design.spec.arms_differ_in
    }
    return {label: levels for label, levels in found.items() if len(levels) > 1}


def _reference(design: Design) -> dict[str, str]:
    """Return the level of each factor that its others are compared with."""
    named = {key: level for one in reversed(design.spec.baselines) for key, level in one.items()}
    factors = design.spec.arms_differ_in
    return {f.label: named.get(f.key, f.levels[0].label) for f in factors}


def _contrast(arm: int, baseline: int, varies: str, condition: str) -> dict[str, Any]:
    return {"arm": arm, "baseline": baseline, "varies": varies, "condition": condition}


def _arm(design: Design, arm: Arm) -> dict[str, Any]:
    model = arm.config.model
    words = [arm.network.summary()]
    if model.surface:
        about = SURFACES[model.surface]
        words = [f"{about.name}: {about.formula}; {about.source}"]
    elif model.kind != "module" and (arm.network.summary().count("-") > 1 or model.kind == "cnn"):
        words.append(model.activation if model.activation != "none" else "no activation")
        if model.batch_norm != "none":
            words.append(f"batch norm {model.batch_norm} the activation")
        if model.dropout:
            words.append(f"dropout {model.dropout:g}")
    if model.factory in design.spec.given:
        words.append("given in Python")
    labels = {f.key: f.label for f in design.spec.arms_differ_in}
    return {
        "name": arm.name,
        "levels": {labels[key]: level for key, level in arm.levels.items()},
        "settings": _settings(arm),
        "parameters": arm.network.parameters,
        "steps_per_epoch": _steps_per_epoch(design, arm),
        "architecture": ", ".join(words),
        "layers": [asdict(layer) for layer in _layers(arm)],
    }


def _layers(arm: Arm) -> tuple[LayerSummary, ...]:
    """Return the main layers of a network; one in all of a user's own, none of a surface."""
    network = arm.network
    if isinstance(network, Network):
        return outline(network, arm.config.model.dropout)
    if isinstance(network, OwnNetwork):
        return (LayerSummary("own network", (network.outputs,), network.parameters),)
    return ()


def _settings(arm: Arm) -> dict[str, Any]:
    """Return every setting of an arm by its dotted path."""
    values = {}
    for path in known_paths(Config):
        section, _, name = path.partition(".")
        values[path] = getattr(getattr(arm.config, section), name)
    values["model.conv"] = [block.model_dump() for block in arm.config.model.conv]
    values["model.hidden"] = arm.config.model.hidden and list(arm.config.model.hidden)
    return values


def _steps_per_epoch(design: Design, arm: Arm) -> int:
    """Return the most steps that an epoch of any seed has."""
    rows = max(design.sizes_of(arm.config, block).train for block in _blocks(design))
    return -(-rows // arm.config.train.batch_size)


def _tuning(design: Design) -> dict[str, Any] | None:
    """Return what was tuned, by which study, and the names of the alternatives."""
    if not (design.spec.tune and design.tuning):
        return None
    parameters = design.spec.tune.model_dump(mode="json")["parameters"]
    alternatives = list(design.alternatives)
    return {"study": design.tuning, "parameters": parameters, "alternatives": alternatives}


def _controls(design: Design) -> dict[str, str]:
    """Return the settings that all arms share, as text; what does not apply is left out."""
    all_settings = [_settings(arm) for arm in design.arms]
    shared = {
        path: value
        for path, value in all_settings[0].items()
        if all(other[path] == value for other in all_settings) and value is not None
    }
    nowhere = set.intersection(*(set(inapplicable(arm.config)) for arm in design.arms))
    nowhere |= {"data.source", "train.rate_scaling"}  # the latter is in the learning rate
    nowhere |= set(design.spec.tune.parameters if design.spec.tune else ())
    return {path: show(value) for path, value in shared.items() if path not in nowhere}


def _data(design: Design) -> dict[str, str]:
    dataset, spec = design.dataset, design.spec
    if design.outcome.lane == "surface":
        return {
            "data set": dataset.name,
            "starts": "one per seed, uniform in a box of each surface, at the same place of all",
            "checksum": dataset.checksum,
        }
    train, validation, test = (
        " or ".join(f"{rows:,}" for rows in sorted(set(part)))
        for part in zip(*_sizes(design), strict=True)
    )
    if dataset.test_rows is None:
        official = ""
    elif spec.data.split in ("fixed", "cross-validation"):
        official = " (the official test set)"
    else:
        official = " (the official test set is put back among all rows)"
    target = f"{len(dataset.classes)} classes" if dataset.classes else "a number"
    return {
        "data set": dataset.name,
        "rows": f"{dataset.rows:,}",
        "inputs": " × ".join(map(str, dataset.shape)),
        "target": target,
        "training rows": train,
        "validation rows": validation,
        "test rows": f"{test}{official}",
        "checksum": dataset.checksum,
    }


def _overlap(design: Design) -> float:
    """Return rows judged by / rows trained on where seeds have splits of their own; else 0.

    Zero for what the clock measures: it is judged by no rows.
    """
    if design.spec.data.split == "fixed" or not design.outcome.part:
        return 0.0
    validating = design.outcome.part == "validation"
    sizes = _sizes(design)
    judged_by = sum(one.validation if validating else one.test for one in sizes)
    return judged_by / sum(one.train for one in sizes)


def _sizes(design: Design) -> list[Sizes]:
    """Return the sizes of the split of every run, those of alternatives left out."""
    return [design.sizes_of(arm.config, b) for arm in design.arms for b in _blocks(design)]


def _blocks(design: Design) -> range:
    return range(design.first_block, design.first_block + design.spec.blocks)
