# ruff: noqa: INP001 (a script, not a package)
"""Looks for rejected words in guides, docstrings, comments and texts; ends with 1 if there are any.

What is rejected is in docs/words.txt, and in the last column of docs/glossary.md. Read are the files given, or all
Markdown and web pages, protos, manifests, and the strings and comments of the product's Python. Code in backquotes
and fences is left out.

Run: python docs/check_words.py [FILE ...]
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ("*.md", "*.html", "*.js", "*/en.json", "*.proto", "*.yml", "*.yaml", "Makefile")
PYTHON = ("daemon/*.py", "node_client/*.py", "vendor/*.py", "docs/*.py")
GLOSSARY = "docs/glossary.md"
"""It names the words that it rejects."""

_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_TERM = re.compile(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
_PROSE = ("STRING", "COMMENT", "FSTRING_MIDDLE")

Rejected = list[tuple[re.Pattern[str], str]]
"""Patterns, each with what to write."""


def rejected() -> Rejected:
    """What is not written: of words.txt, and of the glossary."""
    lines = (line for line in (DOCS / "words.txt").read_text().splitlines() if not line.startswith("#"))
    pairs = [(found, write) for found, write in (line.split(" -> ") for line in lines)]
    for term, words in _TERM.findall((DOCS / "glossary.md").read_text()):
        pairs += [(re.escape(word), term) for word in words.split(", ") if words not in {"not", "---"}]
    return [(re.compile(rf"\b(?:{found})\b", re.IGNORECASE), write) for found, write in pairs]


def in_text(text: str, words: Rejected) -> Iterator[tuple[int, str, str]]:
    """Each use in a text outside its code: the line, the words, and what to write."""
    prose = _CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for number, line in enumerate(prose.splitlines(), 1):
        for pattern, write in words:
            yield from ((number, found[0], write) for found in pattern.finditer(line))


def prose_of(code: str) -> str:
    """The strings and comments of Python code, each in its own lines."""
    lines = [""] * (code.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if tokenize.tok_name[token.type] in _PROSE:
            for number, line in enumerate(token.string.splitlines(), token.start[0] - 1):
                lines[number] += f" {line}"
    return "\n".join(lines)


def _tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", *PAGES, *PYTHON], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in names.stdout.splitlines() if name != GLOSSARY and "_pb2" not in name]


def findings(paths: list[Path]) -> Iterator[str]:
    """Each use of rejected words, as a line for people."""
    words = rejected()
    for path in paths:
        text = path.read_text()
        for number, found, write in in_text(prose_of(text) if path.suffix == ".py" else text, words):
            yield f"{path}:{number}: {found!r}: write {write}"


if __name__ == "__main__":
    found = list(findings([Path(name) for name in sys.argv[1:]] or _tracked()))
    print("\n".join(found) or "words: kept")
    raise SystemExit(1 if found else 0)
