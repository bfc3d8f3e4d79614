"""Two commands that need nothing but Python 3.11 or newer with its venv module:

    python3 run.py demo     the whole job against a bank in a box
    python3 run.py test     the test suite

The first one called makes .venv beside this file and installs into it; later ones start at once. Everything behind
`demo` is handed to `h2h demo`, everything behind `test` to pytest. `python3 run.py h2h …` runs any other command.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "installed"


def main(arguments):
    if sys.version_info < (3, 11):  # noqa: UP036 an older Python is told in words
        return f"h2h needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try python3.11 run.py …"
    commands = {"demo": [BIN / "h2h", "demo"], "test": [BIN / "python", "-m", "pytest"], "h2h": [BIN / "h2h"]}
    if not arguments or arguments[0] not in commands:
        return __doc__
    install()
    command = [str(part) for part in commands[arguments[0]]] + arguments[1:]
    sys.stdout.flush()
    if arguments[0] == "test":
        os.chdir(HERE)
        workers = (os.cpu_count() or 1) + 1  # one more: some tests wait for servers
        os.environ.setdefault("PYTEST_XDIST_AUTO_NUM_WORKERS", str(workers))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or hundreds of processes compile what one has compiled
    return os.execv(command[0], command)  # noqa: S606 our own program


def install():
    """Install into .venv what pyproject.toml and constraints.txt say, unless that is what is there."""
    constraints = HERE / "constraints.txt"
    wanted = hashlib.sha256((HERE / "pyproject.toml").read_bytes() + constraints.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    print("Setting up .venv (once; about half a minute) …", flush=True)
    if not (BIN / "python").exists():
        run(sys.executable, "-m", "venv", VENV, hint="The venv module is needed; on Debian: apt install python3-venv")
    pip = (BIN / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "-c", constraints, "-e", f"{HERE}[dev]", hint="pip could not install; see above")
    STAMP.write_text(wanted)


def run(*command, hint):
    if subprocess.run([str(part) for part in command], check=False).returncode:  # noqa: S603 our own words
        sys.exit(hint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
