"""Older documents, step by step to the current version."""

from typing import Any

from ptycho_config.codec import KIND_KEY, migration


@migration("ptycho.training", 1)
@migration("ptycho.inference", 1)
def networks_become_a_choice(document: dict[str, Any]) -> dict[str, Any]:
    """`torch.primed` becomes `torch.net`, `torch.data.measurement_domain` becomes `torch.scale.domain`."""
    run: dict[str, Any] = document.get("training") or document.get("inference") or {}
    kind = run.get("model", {}).get("architecture")
    torch = dict(document.get("torch", {}))
    options = torch.pop("primed", None)
    if kind == "primed" or (kind is None and options is not None):
        torch["net"] = {KIND_KEY: "primed", **(options or {})}
    elif kind is not None:
        torch["net"] = {KIND_KEY: kind}
    data = dict(torch.get("data", {}))
    if "measurement_domain" in data:
        torch["scale"] = {"domain": data.pop("measurement_domain")}
        torch["data"] = data
    return {**document, **({"torch": torch} if torch else {})}


@migration("ptycho.training", 2)
@migration("ptycho.inference", 2)
def primed_networks_had_a_patch_each(document: dict[str, Any]) -> dict[str, Any]:
    """A primed network drew a patch for each pattern from a flat start, in 3 stages unless it says so."""
    torch = dict(document.get("torch", {}))
    net = torch.get("net")
    if isinstance(net, dict) and net.get(KIND_KEY) == "primed":
        torch["net"] = {"stages": 3, **net, "stitched": False, "start": "flat"}
    return {**document, **({"torch": torch} if torch else {})}


@migration("ptycho.training", 3)
@migration("ptycho.inference", 3)
def primed_networks_become_unrolled(document: dict[str, Any]) -> dict[str, Any]:
    """The network `primed` is called `unrolled`."""
    renamed = dict(document)
    for run in ("training", "inference"):
        model = document.get(run, {}).get("model", {})
        if model.get("architecture") == "primed":
            renamed[run] = {**document[run], "model": {**model, "architecture": "unrolled"}}
    torch = document.get("torch", {})
    net = torch.get("net")
    if isinstance(net, dict) and net.get(KIND_KEY) == "primed":
        renamed["torch"] = {**torch, "net": {**net, KIND_KEY: "unrolled"}}
    return renamed
