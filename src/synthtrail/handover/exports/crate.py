"""Lineage as a Provenance Run Crate: https://w3id.org/ro/wfrun/provenance/0.5, in RO-Crate 1.1.

A crate of two files, `ro-crate-metadata.json` and `workflow.json`. The artifacts are not in it: they are named by their
content (`ni:///sha-256;…` of RFC 6920 for a file, `arcp://ni,sha-256;…/` for a folder), with path, size and SHA-256, so
whoever has them can tell that they are the ones. A folder's SHA-256 is that of its manifest, the lines that `sha256sum`
prints for its files.

    stage                HowToStep of the workflow, performed by
    code of a stage      SoftwareSourceCode, its version the digest that the record has
    stage event          CreateAction: instrument = that code, agent = who signed, object = inputs, parameters and seed,
                         result = what was made, startTime and endTime of the run
    the run as a whole   CreateAction whose instrument is the workflow
    licence of a source  licence of what was read; SPDX where it is an SPDX identifier

The ledger does not say which engine ran the stages, so there is no OrganizeAction. Equal ledgers give equal crates:
`datePublished` is the day of the last step.
"""

import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from synthtrail.custody.record import Item
from synthtrail.handover.exports.past import Deed, code, items, name, sources

METADATA = "ro-crate-metadata.json"
WORKFLOW = "workflow.json"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")

Json = str | int | Sequence["Json"] | dict[str, "Json"]
Entity = dict[str, Json]


def files(told: Sequence[Deed], origin: str, level: str) -> dict[str, bytes]:
    """Return the files of the crate about these deeds, of which there is one at least, by name.

    `level` is what the verification of the ledger `origin` reached.
    """
    content = {METADATA: metadata(told, origin, level), WORKFLOW: _workflow_file(told)}
    return {path: (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode() for path, value in content.items()}


def metadata(told: Sequence[Deed], origin: str, level: str) -> dict[str, Json]:
    """Return the metadata document of the crate."""
    known = items(told)
    graph = [_descriptor(), _root(told, list(known.values()), origin, level), _workflow(told), _language()]
    graph += [_profile(url) for url in PROFILES]
    licences = {digest: said["licence"] for digest, said in sources(told).items() if said.get("licence")}
    graph += [_artifact(item, licences.get(digest)) for digest, item in known.items()]
    graph += [_licence(licence) for licence in sorted(set(licences.values())) if _is_spdx(licence)]
    graph.append(_run(told))
    for deed in told:
        graph += [_step(deed), _code(deed), _action(deed, origin), _agent(deed), *_settings(deed)]
    return {"@context": list(CONTEXT), "@graph": list({entity["@id"]: entity for entity in graph}.values())}


def _descriptor() -> Entity:
    conforms: list[Json] = [
        _ref("https://w3id.org/ro/crate/1.1"),
        _ref("https://w3id.org/workflowhub/workflow-ro-crate/1.0"),
    ]
    return {"@id": METADATA, "@type": "CreativeWork", "conformsTo": conforms, "about": _ref("./")}


def _root(told: Sequence[Deed], known: Sequence[Item], origin: str, level: str) -> Entity:
    last = told[-1]
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Lineage of {last.step.subject.path}",
        "description": f"Events of the custody ledger {origin}, which was verified to level {level}; the last is entry "
        f"{last.step.entry}. The artifacts themselves are not in this crate.",
        "author": _plain(_ref(_agent_id(deed)) for deed in told),
        "datePublished": last.ended.date().isoformat(),
        "license": "Not stated by the ledger; the licence of each source stands beside it.",
        "conformsTo": [_ref(url) for url in PROFILES],
        "mainEntity": _ref(WORKFLOW),
        "hasPart": [_ref(WORKFLOW), *(_ref(_id(item)) for item in known)],
        "mentions": [_ref("#run"), *(_ref(_action_id(deed)) for deed in told)],
    }


def _workflow_file(told: Sequence[Deed]) -> dict[str, Json]:
    """What stands in the crate for the workflow: each stage with what it read, made and ran."""
    return {
        deed.step.slot: {
            "event": deed.step.event,
            "entry": deed.step.entry,
            "code": deed.step.code,
            "inputs": [origin.item.path for origin in deed.inputs],
            "output": deed.step.subject.path,
        }
        for deed in told
    }


def _workflow(told: Sequence[Deed]) -> Entity:
    return {
        "@id": WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "Stages that the ledger tells of",
        "description": "Each stage with what it read and made, and the digest of its code; in the order of entries",
        "encodingFormat": "application/json",
        "programmingLanguage": _ref("#json"),
        "version": f"entry {told[-1].step.entry}",
        "hasPart": _plain(_ref(_code_id(deed)) for deed in told),
        "step": _plain(_ref(_step_id(deed)) for deed in told),
    }


def _language() -> Entity:
    url = "https://www.rfc-editor.org/info/rfc8259"
    return {
        "@id": "#json",
        "@type": "ComputerLanguage",
        "name": "JSON",
        "identifier": _ref(url),
        "url": _ref(url),
    }


def _profile(url: str) -> Entity:
    return {"@id": url, "@type": "CreativeWork", "name": PROFILES[url], "version": url.rpartition("/")[2]}


def _artifact(item: Item, licence: str | None) -> Entity:
    found: Entity = {
        "@id": _id(item),
        "@type": "File" if item.files is None else "Dataset",
        "name": item.path,
        "description": f"{item.size} bytes" if item.files is None else f"{item.files} files, {item.size} bytes in all",
        "contentSize": str(item.size),
        "sha256": item.digest.hex(),
    }
    if licence is None:
        return found
    return found | {"license": _ref(_spdx(licence)) if _is_spdx(licence) else licence}


def _run(told: Sequence[Deed]) -> Entity:
    made = {deed.step.subject.digest for deed in told}
    read = {origin.item.digest: origin.item for deed in told for origin in deed.inputs}
    began, ended = min(deed.began for deed in told), max(deed.ended for deed in told)
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "All stages",
        "description": f"The {len(told)} stage events from the sources to {told[-1].step.subject.path}",
        "instrument": _ref(WORKFLOW),
        "agent": _ref(_agent_id(told[-1])),
        "object": _plain(_ref(_id(item)) for digest, item in read.items() if digest not in made),
        "result": _plain(_ref(_id(deed.step.subject)) for deed in told if deed.step.subject.digest not in read),
        "startTime": began.isoformat(timespec="seconds"),
        "endTime": ended.isoformat(timespec="seconds"),
    }


def _step(deed: Deed) -> Entity:
    return {
        "@id": _step_id(deed),
        "@type": "HowToStep",
        "name": deed.step.slot,
        "position": str(deed.step.entry),
        "workExample": _ref(_code_id(deed)),
    }


def _code(deed: Deed) -> Entity:
    commit = deed.context.get("git.commit", "")
    return {
        "@id": _code_id(deed),
        "@type": "SoftwareSourceCode",
        "name": f"{deed.stage} stage",
        "version": deed.step.code,
        "description": f"Source code of the stage{f', git commit {commit}' if commit else ''}",
        "softwareRequirements": _plain(f"{tool} {version}" for tool, version in deed.tools),
    }


def _action(deed: Deed, origin: str) -> Entity:
    step = deed.step
    verdict = f"; verdict: {deed.verdict}" if deed.verdict else ""
    return {
        "@id": _action_id(deed),
        "@type": "CreateAction",
        "name": f"{step.event} {step.subject.path}",
        "description": f"Entry {step.entry} of the ledger {origin}, signed at {step.at} by {step.actor}{verdict}",
        "instrument": _ref(_code_id(deed)),
        "agent": _ref(_agent_id(deed)),
        "object": [
            *(_ref(_id(read.item)) for read in deed.inputs),
            *(_ref(str(one["@id"])) for one in _settings(deed)),
        ],
        "result": _ref(_id(step.subject)),
        "startTime": deed.began.isoformat(timespec="seconds"),
        "endTime": deed.ended.isoformat(timespec="seconds"),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }


def _agent(deed: Deed) -> Entity:
    """A person under the pseudonym that the ledger has; a machine's key stands for its organisation."""
    key = deed.key
    found: Entity = {"@id": _agent_id(deed), "@type": "Organization", "name": deed.step.actor}
    if key is None:
        return found
    found["identifier"] = key.verifier.vkey()
    if key.person:
        return found | {"@type": "Person", "name": key.person}
    return found | {"name": key.organisation or deed.step.actor, "description": f"The {key.role} key {deed.step.actor}"}


def _settings(deed: Deed) -> list[Entity]:
    """Parameters and seed."""
    named = [*deed.params, ("seed", str(deed.seed))]
    return [
        {"@id": f"{_action_id(deed)}-{quote(key)}", "@type": "PropertyValue", "name": key, "value": value}
        for key, value in named
    ]


def _licence(licence: str) -> Entity:
    url = _spdx(licence)
    return {"@id": url, "@type": "CreativeWork", "name": licence, "description": f"The licence {licence}", "url": url}


def _spdx(licence: str) -> str:
    return f"https://spdx.org/licenses/{licence}"


def _is_spdx(licence: str) -> bool:
    """Whether it has the form of one SPDX identifier; a free text does not."""
    return bool(_SPDX.fullmatch(licence))


def _id(item: Item) -> str:
    """A file by its content, a folder as the place that the files of its manifest lie in: RO-Crate wants a slash."""
    return name(item) if item.files is None else f"arcp://ni,sha-256;{code(item.digest)}/"


def _action_id(deed: Deed) -> str:
    return f"#entry-{deed.step.entry}"


def _step_id(deed: Deed) -> str:
    return f"#step-{quote(deed.step.slot)}"


def _code_id(deed: Deed) -> str:
    return f"#code-{quote(deed.stage)}-{deed.step.code}"


def _agent_id(deed: Deed) -> str:
    return f"#key-{quote(deed.step.actor)}"


def _ref(identity: str) -> Entity:
    return {"@id": identity}


def _plain(values: Iterable[Json]) -> Json:
    """Several values as a list, each once; one by itself, as RO-Crate recommends."""
    found = list({json.dumps(value): value for value in values}.values())
    return found[0] if len(found) == 1 else found
