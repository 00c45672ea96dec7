"""The page of exit codes and errors."""

from anura_edge import errors
from anura_edge.errors import AnuraError, ExitCode
from reference_pages.docstrings import attribute_docs, first_paragraph
from reference_pages.markdown import code, page, table


def errors_page() -> str:
    """Return the page of exit codes and errors."""
    tree = (errors.__doc__ or "").strip().split("\n\n")[1]
    meanings = attribute_docs(ExitCode)
    codes = [(str(int(member)), code(member.name), meanings[member.name]) for member in ExitCode]
    return page(
        "Exit codes and errors",
        "All four commands print an error as one line with the cause and the remedy, without a traceback, and end with "
        "one of these codes.",
        "## Exit codes",
        table(("exit code", "name", "meaning"), codes),
        "## Errors",
        f"`anura_edge.errors` defines all errors that the programs raise on purpose:\n\n```text\n{tree}\n```",
        table(("error", "exit code", "meaning"), _rows(AnuraError)),
    )


def _rows(error: type[AnuraError]) -> list[tuple[str, str, str]]:
    own = (code(error.__name__), str(int(error.exit_code)), first_paragraph(error.__doc__))
    children = [child for child in error.__subclasses__() if child.__module__ == errors.__name__]
    return [own, *(row for child in children for row in _rows(child))]
