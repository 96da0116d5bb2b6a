"""Typed access to the keys of one TOML table; every mismatch is a BoardError naming file and key."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from tinyanime.codegen.errors import BoardError

Choice = TypeVar("Choice", bound=Enum)

_KIND_NAMES: dict[type, str] = {
    str: "a text",
    bool: "a true/false value",
    int: "a whole number",
    float: "a fraction",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Fields:
    """The keys of one table of a board file.

    `place` is the table's name for messages: "" for the document, "uart", "memory[axi]" for the region called
    axi, "memory[1]" for one without a name.
    """

    source: Path
    place: str
    values: dict[str, Any]

    @classmethod
    def of_document(cls, source: Path, values: dict[str, Any], record: type, computed: Iterable[str] = ()) -> Fields:
        """The whole file, which may have the fields of the dataclass `record` as keys, less `computed`."""
        return cls(source, "", values)._checked(record, computed)

    def table(self, key: str, record: type) -> Fields:
        """The sub-table `key`, which may have the fields of the dataclass `record` as keys."""
        return Fields(self.source, self._name(key), self._value(key, dict))._checked(record)

    def tables(self, key: str, record: type) -> tuple[Fields, ...]:
        """The array of tables `key`, each like `table`."""
        entries = self._value(key, list, form=f"an array of tables, each headed [[{key}]]")
        found: list[Fields] = []
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise self._mismatch(f"{self._name(key)}[{index}]", entry, f"a table headed [[{key}]]")
            name = entry.get("name")
            place = f"{self._name(key)}[{name if isinstance(name, str) else index}]"
            found.append(Fields(self.source, place, entry)._checked(record))
        return tuple(found)

    def text(self, key: str, *, allow_empty: bool = False, default: str | None = None) -> str:
        """A text, not empty unless `allow_empty`; `default` makes the key optional."""
        if default is not None and key not in self.values:
            return default
        value: str = self._value(key, str)
        if not value and not allow_empty:
            raise self._error(f"key '{self._name(key)}' is empty", "Give it a text.")
        if not value.isprintable() or any(mark in value for mark in ("/*", "*/", "\\")):
            # Texts of the board go into comments of C, linker script and Makefile.
            raise self._error(
                f"key '{self._name(key)}' holds a line break, a backslash or a comment mark", "Leave these out."
            )
        return value

    def matching(self, key: str, pattern: str, meaning: str) -> str:
        """A text that the whole of `pattern` matches; `meaning` says in words what is allowed."""
        value = self.text(key)
        self._check_pattern(self._name(key), value, pattern, meaning)
        return value

    def all_matching(self, key: str, pattern: str, meaning: str) -> tuple[str, ...]:
        """A list of texts that each match `pattern`; may be empty."""
        values = self._texts(key)
        for value in values:
            self._check_pattern(self._name(key), value, pattern, meaning)
        return values

    def integer(self, key: str, *, minimum: int, default: int | None = None) -> int:
        """A whole number, at least `minimum`; `default` makes the key optional."""
        if default is not None and key not in self.values:
            return default
        value: int = self._value(key, int)
        if value < minimum:
            raise self._error(f"key '{self._name(key)}' is {value}", f"Give a whole number of at least {minimum}.")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false; optional."""
        return default if key not in self.values else bool(self._value(key, bool))

    def choice(self, key: str, options: type[Choice]) -> Choice:
        """One value of the enumeration `options`."""
        return self._member(key, self._value(key, str), options)

    def choices(self, key: str, options: type[Choice], *, allow_empty: bool = False) -> tuple[Choice, ...]:
        """Values of the enumeration `options`, none twice; one at least unless `allow_empty`."""
        values = self._texts(key)
        if not values and not allow_empty:
            raise self._error(f"key '{self._name(key)}' is an empty list", f"Use one or more of {_listed(options)}.")
        if len(set(values)) != len(values):
            raise self._error(f"key '{self._name(key)}' names a value twice", "Name each value once.")
        return tuple(self._member(key, value, options) for value in values)

    def _texts(self, key: str) -> tuple[str, ...]:
        values = self._value(key, list)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self._mismatch(f"{self._name(key)}[{index}]", value, _KIND_NAMES[str])
        return tuple(values)

    def _member(self, key: str, value: str, options: type[Choice]) -> Choice:
        for option in options:
            if option.value == value:
                return option
        raise self._error(f"key '{self._name(key)}' has the unknown value '{value}'", f"Use one of {_listed(options)}.")

    def _value(self, key: str, kind: type, *, form: str = "") -> Any:
        wanted = form or _KIND_NAMES[kind]
        if key not in self.values:
            raise self._error(
                f"key '{self._name(key)}' is missing",
                f"Add it ({wanted}); boards/stm32h743.toml shows the form.",
            )
        value = self.values[key]
        # In Python a bool is an int; in a board file it is not.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._mismatch(self._name(key), value, wanted)
        return value

    def _check_pattern(self, name: str, value: str, pattern: str, meaning: str) -> None:
        if re.fullmatch(pattern, value) is None:
            raise self._error(f"key '{name}' has the unusable value '{value}'", f"Allowed: {meaning}.")

    def _checked(self, record: type, computed: Iterable[str] = ()) -> Fields:
        known = [field.name for field in dataclasses.fields(record) if field.name not in computed]
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"Did you mean '{near[0]}'?" if near else f"Known keys here: {', '.join(known)}."
                raise self._error(f"unknown key '{self._name(key)}'", hint)
        return self

    def _name(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def _mismatch(self, name: str, value: object, wanted: str) -> BoardError:
        given = _KIND_NAMES.get(type(value), "a date or time")
        return self._error(f"key '{name}' is {given}", f"Make it {wanted}.")

    def _error(self, message: str, hint: str) -> BoardError:
        return BoardError(f"{self.source}: {message}.", hint=hint)


def _listed(options: type[Enum]) -> str:
    return ", ".join(str(option.value) for option in options)
