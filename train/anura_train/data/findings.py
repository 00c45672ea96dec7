"""What is wrong with a data set, all of it in one report: a reader notes what it finds and goes on."""

from dataclasses import dataclass, field

from anura_edge.errors import SourceError

MISSING = "missing; copy the data set again or delete its row"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    where: str
    """File and line, or recording."""
    message: str
    """What is wrong, and the remedy."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(slots=True)
class Findings:
    """Everything found so far."""

    errors: list[Finding] = field(default_factory=list)
    """No training begins before these are mended."""
    warnings: list[Finding] = field(default_factory=list)
    """Left out or put right in memory; training goes on."""

    def error(self, where: object, what: str) -> None:
        """Note something that must be mended."""
        self.errors.append(Finding(str(where), what))

    def warning(self, where: object, what: str) -> None:
        """Note something that was tolerated."""
        self.warnings.append(Finding(str(where), what))

    def raise_if_errors(self) -> None:
        """Raise SourceError that names every fault, if there is any."""
        if self.errors:
            count = "1 fault" if len(self.errors) == 1 else f"{len(self.faults)} faults"
            raise SourceError(f"{count} in the data:\n" + "\n".join(f"  {fault}" for fault in self.errors))
