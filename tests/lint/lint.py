#!/usr/bin/env python3
"""The rules of the source tree that a compiler does not check.

    lint.py            everything
    lint.py headers    one rule by name

Every complaint is FILE:LINE: what is wrong. Exit 0 when there is none, else 1.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Includes point down only: what each folder may include besides libc.
LAYERS = {
    "base": ["base"],
    "net": ["base", "net"],
    "http": ["base", "http"],
    "traffic": ["base", "net", "http", "traffic"],
    "telemetry": ["base", "net", "http", "traffic", "telemetry"],
    "config": ["base", "net", "http", "traffic", "telemetry", "config"],
    "state": ["base", "net", "http", "traffic", "telemetry", "config", "state"],
    "proxy": ["base", "net", "http", "traffic", "telemetry", "config", "state", "proxy"],
    "control": ["base", "net", "http", "traffic", "telemetry", "config", "state", "control"],
    "doctor": ["base", "net", "http", "config", "doctor"],
    "cli": ["base", "net", "http", "config", "doctor", "cli"],
}

# Third-party headers and the folders that may include them.
FENCED = {
    "llhttp.h": {"http"},
    "openssl/": {"net"},
    "yaml.h": {"config"},
    "uv.h": {"net", "proxy", "control", "doctor", "cli"},
    "jansson.h": {"base", "traffic", "control", "cli"},
}

# Folders of pure modules: each .c has a unit test of its own.
TESTED = ["base", "http", "traffic", "telemetry", "config"]

BANNED = {
    "strcpy": "str_* or snprintf",
    "strcat": "str_* or snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "strtok": "str_*",
    "atoi": "a parser that reports errors",
    "gets": "fgets",
    "alloca": "an arena",
}
ALLOCATORS = ["malloc", "calloc", "realloc", "free", "strdup", "strndup"]

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def sources(*folders, suffixes=(".c", ".h")):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes:
                yield path


def name(path):
    return path.relative_to(ROOT).as_posix()


def layer(path):
    """The folder below src/ or include/; None for src/main.c and the like, which may use all."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 else None


def without_comments(text):
    """Blanks comments, strings and character constants; keeps the lines."""
    pattern = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def check_layers():
    """Includes point down only, and each library stays in its folder."""
    for path in sources("src", "include"):
        folder = layer(path)
        if folder is None:
            continue
        if folder not in LAYERS:
            yield f"{name(path)}:1: the folder {folder}/ is not in the map of layers"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, target = match.groups()
            where = f"{name(path)}:{number}"
            if kind == '"':
                top = target.split("/")[0]
                if "/" not in target:
                    # a private header beside the .c that includes it
                    if not (path.parent / target).exists():
                        yield f'{where}: "{target}" should be "{folder}/{target}"'
                elif top not in LAYERS[folder]:
                    yield f"{where}: {folder}/ must not include {target} (it may: {', '.join(LAYERS[folder])})"
            for header, allowed in FENCED.items():
                hit = target.startswith(header) if header.endswith("/") else target == header
                if hit and folder not in allowed:
                    yield f"{where}: <{target}> is for {', '.join(sorted(allowed))} only"


def check_pairs():
    """src/F/x.c <-> include/F/x.h <-> tests/unit/F/test_x.c. A module too long for one file is
    split as x.c, x_part.c; the parts share what x has."""
    for path in sources("src", suffixes=(".c",)):
        folder = layer(path)
        if folder is None:
            continue
        stems = ["_".join(path.stem.split("_")[:n]) for n in range(path.stem.count("_") + 1, 0, -1)]
        header = ROOT / "include" / folder
        if not any((header / f"{stem}.h").exists() for stem in stems):
            yield f"{name(path)}:1: has no header {name(header)}/{path.stem}.h"
        tests = ROOT / "tests" / "unit" / folder
        if folder in TESTED and not any((tests / f"test_{stem}.c").exists() for stem in stems):
            yield f"{name(path)}:1: has no unit test {name(tests)}/test_{path.stem}.c"


def check_banned():
    """Functions that overflow, hide state, or allocate without aborting on failure."""
    call = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join([*BANNED, *ALLOCATORS]))
    for path in sources("src", "include", "bench"):
        in_base = layer(path) == "base"
        in_bench = name(path).startswith("bench/")
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
            for match in call.finditer(line):
                function = match.group(1)
                if function in BANNED:
                    yield f"{name(path)}:{number}: {function}() is banned: use {BANNED[function]}"
                elif not in_base and not in_bench:
                    yield f"{name(path)}:{number}: {function}() belongs to base/ alone: use its wrappers"


def check_headers():
    """Every header compiles alone, and has an include guard."""
    flags = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    flags += ["-I", str(ROOT / "include"), "-isystem", "/usr/share/include/llhttp"]
    packages = subprocess.run(
        ["pkg-config", "--cflags", "libuv", "yaml-0.1", "jansson", "openssl", "libxxhash"],
        capture_output=True, text=True, check=False)
    flags += packages.stdout.split()

    def compile_alone(path):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as unit:
            unit.write(f'#include "{path}"\n#include "{path}"\nint only;\n')
            unit.flush()
            run = subprocess.run([os.environ.get("CC", "gcc"), *flags, unit.name],
                                 capture_output=True, text=True, check=False)
        return run.stderr

    headers = list(sources("include", suffixes=(".h",)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, problem in zip(headers, pool.map(compile_alone, headers)):
            if problem:
                first = next((x for x in problem.splitlines() if "error" in x), problem.strip())
                yield f"{name(path)}:1: does not compile alone: {first}"


def check_marks():
    """No notes about unfinished work in the source."""
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for path in sources("src", "include", "bench", "tests", suffixes=(".c", ".h", ".py", ".txt")):
        if path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if mark.search(line):
                yield f"{name(path)}:{number}: {mark.search(line).group()} left behind"


RULES = {
    "layers": check_layers,
    "pairs": check_pairs,
    "banned": check_banned,
    "headers": check_headers,
    "marks": check_marks,
}


def main(wanted):
    unknown = [rule for rule in wanted if rule not in RULES]
    if unknown:
        print(f"lint: no rule called {unknown[0]} (there are: {', '.join(RULES)})")
        return 2
    count = 0
    for rule, check in RULES.items():
        if wanted and rule not in wanted:
            continue
        for complaint in check():
            print(f"{complaint} [{rule}]")
            count += 1
    print(f"lint: {count} complaint{'s' if count != 1 else ''}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
