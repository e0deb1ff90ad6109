"""Imports go down only: no room knows a room beside it, and stages never know the store."""

import ast
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parent.parent / "src" / "amparo"
FLOOR = {"model": 1, "kit": 2, "store": 2, "run": 4, "cli": 5}
MAY_USE_STORE = {"review", "share", "operation", "run", "cli", "store"}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "amparo" and len(parts) > 1 else None


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "amparo":
                names |= {f"amparo.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_imports_go_down_only() -> None:
    breaches = []
    for path in sorted(SRC.rglob("*.py")):
        here = path.relative_to(SRC).parts[0].removesuffix(".py")
        if here in ("__init__", "__main__"):
            continue
        for module in imported(path):
            there = room_of(module)
            if there is None or there == here or there == "__version__":
                continue
            lower = FLOOR.get(there, 3) < FLOOR.get(here, 3)
            store_breach = there == "store" and here not in MAY_USE_STORE
            if not lower or store_breach:
                breaches.append(f"{path.relative_to(SRC)} imports {module}")
    assert not breaches, "\n".join(breaches)


def test_model_is_standard_library_only() -> None:
    import sys

    for path in (SRC / "model").glob("*.py"):
        for module in imported(path):
            top = module.split(".")[0]
            assert top == "amparo" or top in sys.stdlib_module_names, f"{path.name}: {module}"


def test_every_module_can_be_the_first() -> None:
    """No circle of imports that only another order would close."""
    modules = [
        ".".join(("amparo", *path.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__")
        for room in ("cli", "run", "sandbox", "store")
        for path in sorted((SRC / room).rglob("*.py"))
    ]
    program = (
        "import os, sys; import numpy, sqlalchemy, av, PIL.Image, msgpack, importlib\n"
        "for name in sys.argv[1:]:\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        try: importlib.import_module(name)\n"
        "        except BaseException as error: print(f'{name}: {error!r}', flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *modules], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
