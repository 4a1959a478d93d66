"""What an alias costs the Channel Access server: nothing but its name."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

from dmioc.catalogue import Kind, station_catalogue, with_aliases
from dmioc.engine.puts import Puttable
from dmioc.serve.ca import CaSettings
from dmioc.serve.ca.context import ServerContext
from dmioc.serve.ca.server import catalogue_rights

WANTED = {f"8idi:Reg{number}": ("PollPeriod", "") for number in range(500)}
REGISTERS = {f"8ideSoft:StrReg{number}": ("EXP:Name", "string") for number in range(500)}


def test_names_of_one_type_are_one_channel() -> None:
    catalogue = with_aliases(station_catalogue(), "T:", {**WANTED, **REGISTERS, "lonely": ("EXP:ID", "")})

    async def main() -> ServerContext:
        engine = cast(Puttable, SimpleNamespace(catalogue=catalogue))
        return ServerContext(engine, "T:", catalogue_rights, CaSettings())

    context = asyncio.run(main())
    poll, name = context.find("T:PollPeriod"), context.find("T:EXP:Name")
    assert poll is not None and all(context.find(alias) is poll for alias in WANTED)
    registers = {id(context.find(alias)) for alias in REGISTERS}
    assert len(registers) == 1 and id(name) not in registers
    assert [channel.pv.kind for channel in context.of_pv("EXP:Name")] == [Kind.TEXT, Kind.STRING]
    assert context.find("8ideSoft:StrReg1$") is context.find("8ideSoft:StrReg1.VAL$") is name, "the whole text"
    assert context.name_beginnings() and set(context.name_beginnings()) == {"T:", "8idi:", "8ideSoft:", "lonely"}
    assert context.find("8ideSoft:StrReg500") is None and context.find("8ideSoft:StrReg1.EGU") is None
    assert context.alias_in("8idi:Reg7.DESC") == "8idi:Reg7" and context.alias_in("T:PollPeriod") == ""
