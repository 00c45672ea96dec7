"""Errors and warnings about a data set. A reader collects all of them; it does not stop at the first."""

from dataclasses import dataclass, field

from anura_edge.errors import SourceError

MISSING = "missing; copy the data set again or delete its row"


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem in a data set."""

    where: str
    """File and line, or the name of a recording."""
    message: str
    """The problem and the remedy."""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(slots=True)
class Findings:
    """All problems found so far."""

    errors: list[Finding] = field(default_factory=list)
    """Must be corrected before a training can start."""
    warnings: list[Finding] = field(default_factory=list)
    """Skipped, or corrected in memory; a training can start."""

    def error(self, where: object, message: str) -> None:
        """Add an error."""
        self.errors.append(Finding(str(where), message))

    def warning(self, where: object, message: str) -> None:
        """Add a warning."""
        self.warnings.append(Finding(str(where), message))

    def raise_if_errors(self) -> None:
        """Raise SourceError with all errors, if there are any."""
        if self.errors:
            count = "1 error" if len(self.errors) == 1 else f"{len(self.errors)} errors"
            raise SourceError(f"{count} in the data:\n" + "\n".join(f"  {error}" for error in self.errors))
