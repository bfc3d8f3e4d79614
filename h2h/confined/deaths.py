"""How the reading of a file may end before its end, and what is then said about the file."""

from __future__ import annotations

from h2h.confined.limits import MEBIBYTE, Limits
from h2h.model import Finding, Severity

CODES: dict[str, str] = {
    "READER_LIMIT": "reading the file takes more memory, processor time or words than any file of its size may take",
    "READER_DIED": "the process that read the file ended, hung or failed in the middle",
}


class Death(Exception):
    """The process ended, or was ended, while it had a file in hand. `limit`: the one that it came to."""

    def __init__(self, what: str, *, limit: str = "", place: str = "") -> None:
        super().__init__(what)
        self.what, self.limit, self.place = what, limit, place


class Untouched(Exception):
    """The process was gone before it had seen a byte of the file."""


def finding_of(death: Death, limits: Limits) -> Finding:
    """On a file whose reading did not come to its end: nothing that was said about it before counts."""
    if death.limit:
        code = "READER_LIMIT"
        advice = (
            "No message of its size needs as much: look for what is odd in it, "
            "such as a value of enormous length or very many elements where few belong"
        )
    else:
        code = "READER_DIED"
        advice = "Give the file again (one of a bank: `h2h reread`); if it happens again, report it, with the log"
    text = f"The file was not read to its end: {cause_of(death, limits)}. {advice}."
    return Finding(code=code, severity=Severity.ERROR, text=text)


def cause_of(death: Death, limits: Limits) -> str:
    """As the rest of a sentence."""
    match death.limit:
        case "memory":
            return f"reading it takes more than {limits.memory // MEBIBYTE} MiB of memory"
        case "cpu":
            bytes_each = f"{limits.bytes_per_cpu_second:,} bytes"
            return f"reading it takes more processor time than {limits.cpu_seconds} s and 1 s for each {bytes_each}"
        case "words":
            return "it holds more records, or larger ones, than a file of its size may hold"
    return f"the process that read it {death.what}"
