"""Second names of PVs: which there may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from dmioc.catalogue.entries import NAME_CHARACTERS, PV, Alias, Catalogue, Kind
from dmioc.catalogue.listing import type_text
from dmioc.catalogue.names import RIGHT_CHARACTERS, wrong_characters
from dmioc.errors import ConfigurationError

_STRING = Kind.STRING.value


def with_aliases(catalogue: Catalogue, prefix: str, wanted: Mapping[str, tuple[str, str]]) -> Catalogue:
    """The catalogue with second names for some of its PVs.

    Args:
        catalogue: the PVs.
        prefix: before their names.
        wanted: by its full name, what each alias stands for (the PV's name, with or without prefix) and its type:
            ``string``, the PV's own, or empty for the PV's own.

    Raises `ConfigurationError` naming the alias, the PV and what would be right.
    """
    return replace(
        catalogue, aliases=tuple(_alias(catalogue, prefix, name, *target) for name, target in wanted.items())
    )


def _alias(catalogue: Catalogue, prefix: str, name: str, target: str, kind_word: str) -> Alias:
    where = f"[aliases] {name!r} = {target!r}"
    _check_name(name, where)
    short_name = target.removeprefix(prefix)
    if short_name not in catalogue:
        near = get_close_matches(short_name, (pv.name for pv in catalogue.scalars()), n=1)
        meant = f"{near[0]} is one, and " if near else ""
        raise ConfigurationError(f"{where}: there is no PV {prefix}{short_name}; {meant}dmioc pvs lists all")
    if name.startswith(prefix) and name.removeprefix(prefix) in catalogue:
        raise ConfigurationError(f"{where}: {name} is a PV of this gateway; a name that is none of its own is right")
    pv = catalogue[short_name]
    if not pv.kind.is_scalar:
        raise ConfigurationError(
            f"{where}: {pv.name} is a {pv.kind.value}, over PVAccess only; a PV that Channel Access serves too is right"
        )
    return Alias(name, short_name, _kind(pv, kind_word, where))


def _check_name(name: str, where: str) -> None:
    wrong = wrong_characters(name)
    if wrong:
        raise ConfigurationError(f"{where}: its name holds {wrong!r}; {RIGHT_CHARACTERS} are right")
    if not 1 <= len(name) <= NAME_CHARACTERS:
        raise ConfigurationError(f"{where}: its name has {len(name)} characters; 1 to {NAME_CHARACTERS} are right")


def _kind(pv: PV, word: str, where: str) -> Kind:
    if word in ("", pv.kind.value):
        return pv.kind
    if word == _STRING and pv.kind is Kind.TEXT:
        return Kind.STRING
    right = f"{pv.kind.value} or {_STRING}" if pv.kind is Kind.TEXT else pv.kind.value
    raise ConfigurationError(f"{where}: {pv.name} is of type {type_text(pv)} and cannot be {word!r}; {right} is right")
