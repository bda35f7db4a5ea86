"""Which drug a medication record means for bone: therapy, bone loss, a look-alike, or unclear.

The most specific code decides: a branded product before a product before an ingredient before a
class code. Names are read only when no code is known. Codes are compared whole, never by their
numeric neighbours. Whether a record counts at all (status, intent, dates) and what the chart
documents is for the caller to judge.

Source: rxnorm-extract, omop, atc-snapshot, snomed-substance-map, ecqm-value-sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from hooks.bone_density.drugs.table import (
    NOT_LONG_TERM_SYSTEMIC,
    STRENGTH_FOR_ANOTHER_INDICATION,
    STRENGTHS_DISAGREE,
    Conflict,
    DrugMatch,
    DrugTable,
    Entry,
    Purpose,
    Rank,
    load_drug_table,
    words_of,
)

__all__ = ["Conflict", "DrugMatch", "Purpose", "load_drug_table", "resolve"]

# Words of a name that take a steroid or an estrogen out of long-term systemic use.
_LOCAL_OR_EPISODIC = re.compile(
    r"\b(?:cream|drops|ear|enema|epidural|eye|foam|gel|inhalation|inhaled|inhaler|injectable"
    r"|injection|intraarticular|intra-articular|intradermal|intralesional|intramuscular|intranasal"
    r"|intravenous|lotion|nasal|ointment|ophthalmic|otic|pack|dosepak|dosepack|paste|rectal|ring"
    r"|shampoo|spray|suppository|topical|vaginal)\b",
    re.IGNORECASE,
)
_STRENGTH = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*mg\b(?!\s*/)", re.IGNORECASE)


def resolve(
    codings: Sequence[tuple[str | None, str | None, str | None]], text: str | None
) -> DrugMatch | Conflict | None:
    """The drug that codings (canonical system, code, display) and text mean.

    None: not a drug of the table, so no clinical claim. Names in displays and text are read only
    when no code is known; a look-alike brand then wins over any other name.
    """
    table = load_drug_table()
    found = [
        table.codes[system, code]
        for system, code, _ in codings
        if system and code and (system, code) in table.codes
    ]
    if found:
        return _agreed(found)
    texts = [display for _, _, display in codings if display]
    return _from_names(table, [*texts, text] if text else texts)


def _agreed(found: Sequence[Entry]) -> DrugMatch | Conflict:
    """The most specific of several entries, or the pair that contradicts."""
    if len(found) == 1:
        return found[0].match
    best = min(found, key=lambda entry: entry.rank)
    for other in found:
        differs = other.match.purpose is not best.match.purpose
        look_alike = other.match.purpose is Purpose.LOOK_ALIKE
        if other.identity != best.identity or (
            differs and other.rank is not Rank.BARE and (look_alike or other.rank is best.rank)
        ):
            return Conflict(best.match, other.match)
    strengths = {entry.match.strength_mg for entry in found} - {None}
    if len(strengths) > 1:
        return replace(best.match, strength_mg=None, note=STRENGTHS_DISAGREE)
    return best.match


def _from_names(table: DrugTable, texts: Sequence[str]) -> DrugMatch | Conflict | None:
    """The drug that texts name: a look-alike brand first, then a brand, then a stem."""
    found = [entry for text in texts for entry in _named(table, words_of(text))]
    if not found:
        return None
    best = min(found, key=lambda entry: entry.rank)
    if best.rank is Rank.LOOK_ALIKE_NAME:
        return best.match
    for other in found:
        if other.identity != best.identity:
            return Conflict(best.match, other.match)
    return _with_form(best.match, table, texts)


def _named(table: DrugTable, words: tuple[str, ...]) -> Iterator[Entry]:
    """Entries named in a text, the longest name first at each word; no word is used twice."""
    start = 0
    while start < len(words):
        for stop in range(min(len(words), start + table.longest_name), start, -1):
            entry = _name_entry(table, words[start:stop])
            if entry is not None:
                yield entry
                start = stop
                break
        else:
            start += 1


def _name_entry(table: DrugTable, words: tuple[str, ...]) -> Entry | None:
    """The entry for exactly these words; a stem may be the beginning of the last word."""
    if words in table.brands:
        return table.brands[words]
    last = words[-1]
    for length in range(min(len(last), table.longest_stem), 0, -1):
        entry = table.stems.get((*words[:-1], last[:length]))
        if entry is not None:
            return entry
    return None


def _with_form(match: DrugMatch, table: DrugTable, texts: Sequence[str]) -> DrugMatch:
    """A name that counts, taken back where the same text says another form or strength."""
    if match.purpose is Purpose.AMBIGUOUS_INDICATION:
        return match
    steroid_or_estrogen = match.drug_class.startswith(("systemic-glucocorticoid", "estrogen"))
    if steroid_or_estrogen and any(_LOCAL_OR_EPISODIC.search(text) for text in texts):
        return replace(match, purpose=Purpose.AMBIGUOUS_INDICATION, note=NOT_LONG_TERM_SYSTEMIC)
    stated = (Decimal(amount) for text in texts for amount in _STRENGTH.findall(text))
    if any((match.ingredient, amount) in table.other_indication_strengths for amount in stated):
        return replace(
            match, purpose=Purpose.AMBIGUOUS_INDICATION, note=STRENGTH_FOR_ANOTHER_INDICATION
        )
    return match
