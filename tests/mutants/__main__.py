"""`make mutants`: changes the pure core in small ways, one at a time, and shows which changes no unit test notices.

What is changed, and which tests are to notice, stands under `tool.mutmut` in pyproject.toml. Exits 1 where a survivor is
not in survivors.toml, which says why nothing can notice it, or where less than 90 % are noticed.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")
LEAST: Final = 0.9
_RESULT: Final = re.compile(r"\s+(?P<mutant>segue_worker\.(?P<module>[\w.]+)\.x\S+__mutmut_\d+): (?P<status>[\w ]+)")
_FUNCTION: Final = re.compile(r"\.x(?:ǁ\w+ǁ|_)(\w+)__mutmut_")


def main() -> int:
    """Test the mutants of the modules that are named, such as `delivery.retry`; of all where none is named."""
    patterns = [f"segue_worker.{module}.*" for module in sys.argv[1:]] or ["*"]
    mutants, noticed, survivors = Counter[str](), Counter[str](), set[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(folder, *patterns)
        for result in filter(None, map(_RESULT.fullmatch, mutmut(folder, "results", "--all", "true").splitlines())):
            if any(fnmatch(result["mutant"], pattern) for pattern in patterns):
                survived = result["status"] not in {"killed", "timeout"}
                mutants[result["module"]] += 1
                noticed[result["module"]] += not survived
                if survived:
                    survivors.add(
                        described(result["module"], result["mutant"], mutmut(folder, "show", result["mutant"]))
                    )
    for module, count in sorted(mutants.items()):
        sys.stdout.write(f"{module}: {count} mutants, {noticed[module]} noticed\n")
    known = {
        mutant for group in tomllib.loads(SURVIVORS.read_text("utf-8"))["survivors"] for mutant in group["mutants"]
    }
    for mutant in sorted(survivors - known):
        sys.stdout.write(f"nothing notices {mutant}\n")
    for mutant in sorted(known - survivors) if patterns == ["*"] else ():
        sys.stdout.write(f"no survivor any more, take it out of {SURVIVORS.name}: {mutant}\n")
    return 1 if survivors - known or noticed.total() < LEAST * mutants.total() else 0


def run(folder: Path, *patterns: str) -> None:
    """Test mutants, in a folder where `src` stands for `worker`: mutmut takes the name of a module from its path."""
    for name, target in (("src", "worker"), ("tests", "tests"), ("pyproject.toml", "pyproject.toml")):
        (folder / name).symlink_to(ROOT / target)
    # The same examples of property-based tests each time: else a mutant could survive only now and then.
    mutmut(folder, "run", *patterns, env=os.environ | {"CI": "true"})


def mutmut(folder: Path, *args: str, env: Mapping[str, str] = os.environ) -> str:
    """What a command of mutmut prints."""
    command = [sys.executable, "-m", "mutmut", *args]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"mutmut failed:\n{done.stdout[-5000:]}{done.stderr[-5000:]}")
    return done.stdout


def described(module: str, mutant: str, diff: str) -> str:
    """A mutant by what it changes; its number is another one after each change of its function."""
    lines = list(changed_lines(diff))
    was, instead = (" ".join(text for sign, text in lines if sign == side) for side in "-+")
    return f"{module}.{_FUNCTION.findall(mutant)[0]}: {was} → {instead}"


def changed_lines(diff: str) -> Iterator[tuple[str, str]]:
    """Sign and text of the lines that a diff takes away and adds."""
    for line in diff.splitlines():
        if line[:1] in {"-", "+"} and not line.startswith(("---", "+++")):
            yield line[0], line[1:].strip()


if __name__ == "__main__":
    sys.exit(main())
