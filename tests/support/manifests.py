"""Manifests of Kubernetes, read and checked by its own schemas."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from kubernetes_validate import utils

if TYPE_CHECKING:
    from pathlib import Path

# it would read the same large files for each document
utils.schema_contents = cache(utils.schema_contents)

_LATEST = utils.latest_version()
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def documents_in(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a file, or of all files of a folder."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return [document for file in files for document in yaml.load_all(file.read_text(), _LOADER)]


def require_valid(document: dict[str, Any]) -> None:
    """Fail unless a document fits the schema of its kind, and has nothing else."""
    utils.validate(document, _LATEST, strict=True)
