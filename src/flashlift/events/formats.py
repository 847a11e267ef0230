"""The formats known by name: an adapter turns a source of its format into sources of plain files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flashlift.errors import SettingsError
from flashlift.events.adapters import complete_journey, online_retail, rees46, taobao
from flashlift.events.mapping import nearest
from flashlift.events.source import FILE_SUFFIXES, Source

__all__ = ["ADAPTERS", "expand"]

ADAPTERS: Mapping[str, Callable[[Source], list[Source]]] = {
    "complete_journey": complete_journey.sources,
    "online_retail": online_retail.sources,
    "rees46": rees46.sources,
    "retailrocket": taobao.retailrocket_sources,
    "taobao": taobao.taobao_sources,
}


def expand(source: Source) -> list[Source]:
    """The plain sources that a source stands for: itself, or what its adapter makes of it.

    Raises:
        SettingsError: the format is not known.
    """
    if source.format in FILE_SUFFIXES or source.format == "sql":
        return [source]
    adapter = ADAPTERS.get(source.format)
    if adapter is None:
        known = [*FILE_SUFFIXES, "sql", *sorted(ADAPTERS)]
        raise SettingsError(
            f"There is no format {source.format!r}. Choose one of {', '.join(known)}.{nearest(source.format, known)}"
        )
    return adapter(source)
