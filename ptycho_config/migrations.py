"""Older documents, step by step to the current version. What is no table stays as it is: reading it names it."""

from typing import Any

from ptycho_config.codec import KIND_KEY
from ptycho_config.versions import migration


def _table(document: Any, *keys: str) -> dict[str, Any]:
    """The table at nested keys; an empty one where there is none."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


@migration("ptycho.training", 1)
@migration("ptycho.inference", 1)
def networks_become_a_choice(document: dict[str, Any]) -> dict[str, Any]:
    """`torch.primed` becomes `torch.net`, `torch.data.measurement_domain` becomes `torch.scale.domain`."""
    run = _table(document, "training") or _table(document, "inference")
    kind = _table(run, "model").get("architecture")
    torch = dict(_table(document, "torch"))
    options = torch.pop("primed", None)
    if kind == "primed" or (kind is None and options is not None):
        torch["net"] = {**_table({"net": options}, "net"), KIND_KEY: "primed"}
    elif kind is not None:
        torch["net"] = {KIND_KEY: kind}
    data = dict(_table(torch, "data"))
    if "measurement_domain" in data:
        torch["scale"] = {"domain": data.pop("measurement_domain")}
        torch["data"] = data
    return {**document, **({"torch": torch} if torch else {})}


@migration("ptycho.training", 2)
@migration("ptycho.inference", 2)
def primed_networks_had_a_patch_each(document: dict[str, Any]) -> dict[str, Any]:
    """A primed network drew a patch for each pattern from a flat start, in 3 stages unless it says so."""
    torch, net = _table(document, "torch"), _table(document, "torch", "net")
    if net.get(KIND_KEY) != "primed":
        return document
    return {**document, "torch": {**torch, "net": {"stages": 3, **net, "stitched": False, "start": "flat"}}}


@migration("ptycho.training", 4)
def no_refinement_becomes_that_which_the_scan_asks_for(document: dict[str, Any]) -> dict[str, Any]:
    """0 passes of `torch.refine`, which a training does not read, was the default that a bundle passed on: it is auto.

    An inference keeps what it was made with.
    """
    torch, refine = _table(document, "torch"), dict(_table(document, "torch", "refine"))
    if refine.get("passes") != 0:
        return document
    del refine["passes"]
    return {**document, "torch": {**torch, "refine": refine}}


@migration("ptycho.training", 3)
@migration("ptycho.inference", 3)
def primed_networks_become_unrolled(document: dict[str, Any]) -> dict[str, Any]:
    """The network `primed` is called `unrolled`."""
    renamed = dict(document)
    for run in ("training", "inference"):
        model = _table(document, run, "model")
        if model.get("architecture") == "primed":
            renamed[run] = {**document[run], "model": {**model, "architecture": "unrolled"}}
    torch, net = _table(document, "torch"), _table(document, "torch", "net")
    if net.get(KIND_KEY) == "primed":
        renamed["torch"] = {**torch, "net": {**net, KIND_KEY: "unrolled"}}
    return renamed
