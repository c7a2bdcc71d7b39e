#!/usr/bin/env python3
"""Checks the include rules: which area may use which, and which headers may appear where.

    tools/check_layers.py [ROOT]        exit code 0: all rules hold, 1: violations (one per line), 2: bad usage

The rules (docs/architecture.md tells why):
  layers     an area includes only itself and the areas below it; the umbrella kthena.hpp includes any area
  public     headers under include/ include the standard library and kthena headers only
  private    a header under src/<area> is for that area alone; those of src/base are for every area
  bindings   bindings/* include kthena's public headers, never src/
  libraries  fmt in .cpp files only; Abseil and xxHash in src/base only; nlohmann/json in src/manifest and bindings/c only
  pure       no clock, thread, random device, file or stream in the library
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ALL_BELOW_SIM = {"base", "engine", "prefix", "route", "flow", "place", "scale", "serve", "boost"}
ALLOWED: dict[str, set[str]] = {
    "base": set(),
    "engine": {"base"},
    "prefix": {"base"},
    "route": {"base", "prefix"},
    "flow": {"base"},
    "place": {"base"},
    "scale": {"base"},
    "serve": {"base", "place"},
    "boost": {"base"},
    "sim": ALL_BELOW_SIM,
    "manifest": ALL_BELOW_SIM | {"sim"},
}

STANDARD = set(
    """
    algorithm any array atomic barrier bit bitset cassert ccomplex cctype cerrno cfenv cfloat charconv chrono cinttypes
    climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef
    cstdint cstdio cstdlib cstring ctgmath ctime cuchar cwchar cwctype deque exception execution filesystem format
    forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits
    list locale map memory memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex
    scoped_allocator semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string
    string_view strstream syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map
    unordered_set utility valarray variant vector version
    assert.h ctype.h errno.h float.h inttypes.h limits.h math.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
    string.h
    """.split()
)
# What a pure function of its arguments has no use for. <random>: its distributions differ between libraries.
IMPURE = set(
    """
    barrier chrono condition_variable csignal ctime filesystem fstream future iostream latch locale random semaphore
    stop_token syncstream thread
    """.split()
)
# The compiler's own: vector instructions in private code that has a portable path beside them.
INTRINSICS = {"emmintrin.h", "immintrin.h", "arm_neon.h"}
# Third-party headers by their first path component or file name, and who may include them.
LIBRARIES = {
    "absl": "Abseil",
    "fmt": "fmt",
    "nlohmann": "nlohmann/json",
    "xxhash.h": "xxHash",
    "pybind11": "pybind11",
}
# The C interface and the reason codes that it includes.
C_HEADERS = (("kthena.h",), ("reasons.h",))
HEADER_SUFFIXES = {".hpp", ".h", ".def", ".inc"}
SOURCE_SUFFIXES = HEADER_SUFFIXES | {".cpp", ".c", ".cc"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)
BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def area_of_public(parts: tuple[str, ...]) -> str | None:
    """The area of include/kthena/<parts>; None for the umbrella and the C header."""
    name = parts[0] if len(parts) > 1 else Path(parts[0]).stem
    return name if name in ALLOWED else None


def includes(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, name and whether it was written in quotes, for every include outside of block comments."""
    text = path.read_text(encoding="utf-8", errors="replace")
    text = BLOCK_COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield line, match.group(1) or match.group(2), match.group(1) is not None


class Checker:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.violations: list[str] = []

    def run(self) -> list[str]:
        for top in ("include", "src", "bindings"):
            base = self.root / top
            for path in sorted(base.rglob("*")) if base.is_dir() else []:
                if path.is_file() and path.suffix in SOURCE_SUFFIXES:
                    self.check_file(path)
        return self.violations

    def check_file(self, path: Path) -> None:
        parts = path.relative_to(self.root).parts
        top = parts[0]
        area: str | None = None
        if top == "include":
            if parts[1] != "kthena" or len(parts) < 3:
                self.report(path, 0, "public headers live under include/kthena")
                return
            area = area_of_public(parts[2:])
            if area is None and parts[2:] not in C_HEADERS and parts[2:] != ("kthena.hpp",):
                self.report(path, 0, f"belongs to no known area ({', '.join(sorted(ALLOWED))})")
                return
        elif top == "src":
            area = parts[1] if len(parts) > 2 else None
            if area not in ALLOWED:
                self.report(path, 0, f"belongs to no known area ({', '.join(sorted(ALLOWED))})")
                return
        for line, name, quoted in includes(path):
            self.check_include(path, top, area, line, name, quoted)

    def check_include(self, path: Path, top: str, area: str | None, line: int, name: str, quoted: bool) -> None:
        target = self.resolve(path, name, quoted)
        if target is not None:
            self.check_own(path, top, area, line, name, target)
            return
        head = name.split("/")[0]
        if head in LIBRARIES:
            self.check_library(path, top, area, line, name, head)
        elif name in STANDARD:
            if top != "bindings" and name in IMPURE:
                self.report(
                    path, line, f"<{name}>: the library reads no clock, file or random source and starts no thread"
                )
        elif name in INTRINSICS and top == "src":
            return
        elif quoted or head == "kthena":
            self.report(path, line, f'"{name}" is not a header of this project')
        elif top != "bindings":
            self.report(path, line, f"<{name}> is neither the standard library nor a library that may be used here")

    def resolve(self, path: Path, name: str, quoted: bool) -> tuple[str, ...] | None:
        """The path below the root of a header of ours, or None. The order is the compiler's."""
        candidates = [path.parent / name] if quoted else []
        candidates += [self.root / "include" / name, self.root / "src" / name]
        for candidate in candidates:
            if candidate.is_file():
                try:
                    return candidate.resolve().relative_to(self.root).parts
                except ValueError:
                    return None
        return None

    def check_own(self, path: Path, top: str, area: str | None, line: int, name: str, target: tuple[str, ...]) -> None:
        own = path.relative_to(self.root).parts
        if target[0] == "include":
            own_is_c = top == "include" and own[2:] in C_HEADERS
            if target[2:] in C_HEADERS:
                if top in ("include", "src") and not own_is_c:
                    self.report(path, line, "the C header is for bindings; the library does not include it")
                return
            if own_is_c:
                self.report(path, line, "the C header includes no C++ header")
                return
            if target[2:] == ("kthena.hpp",) and top in ("include", "src"):
                self.report(path, line, "the umbrella header is for users; include the part that is needed")
                return
            other = area_of_public(target[2:])
            if area is not None and other is not None and other != area and other not in ALLOWED[area]:
                self.report(path, line, f"area {area} may not include area {other} ({name})")
        elif target[0] == "src":
            other = target[1]
            if top == "include":
                self.report(path, line, f"a public header includes the private {name}")
            elif top == "bindings":
                self.report(path, line, f"bindings include public headers only, not the private {name}")
            elif area is not None and other != area and other not in ALLOWED[area]:
                self.report(path, line, f"area {area} may not include area {other} ({name})")
            elif other not in (area, "base"):
                self.report(path, line, f"{name} is private to area {other}; include its public header")
        elif target[0] == "bindings":
            if top != "bindings" or target[1] != own[1]:
                self.report(path, line, f"{name} is private to bindings/{target[1]}")
        else:
            self.report(path, line, f"{name} is no part of the library")

    def check_library(self, path: Path, top: str, area: str | None, line: int, name: str, head: str) -> None:
        binding = path.relative_to(self.root).parts[1] if top == "bindings" else None
        library = LIBRARIES[head]
        if top == "include":
            self.report(path, line, f"a public header includes {library} (<{name}>)")
        elif head == "fmt":
            if path.suffix in HEADER_SUFFIXES:
                self.report(path, line, f"{library} in a header; it is for .cpp files only")
        elif head == "nlohmann":
            if area != "manifest" and binding != "c":
                self.report(path, line, f"{library} is for src/manifest and bindings/c only")
        elif head == "pybind11":
            if binding != "python":
                self.report(path, line, f"{library} is for bindings/python only")
        elif area != "base":
            self.report(path, line, f"{library} is for src/base only; use the aliases there")

    def report(self, path: Path, line: int, message: str) -> None:
        where = path.relative_to(self.root).as_posix()
        self.violations.append(f"{where}:{line}: {message}" if line else f"{where}: {message}")


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(arguments[0]) if arguments else Path(__file__).parent.parent
    if not root.is_dir():
        print(f"check_layers: {root} is not a directory", file=sys.stderr)
        return 2
    violations = Checker(root.resolve()).run()
    for violation in violations:
        print(violation)
    print(f"check_layers: {len(violations)} violation{'' if len(violations) == 1 else 's'}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
