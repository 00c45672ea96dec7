"""The command `scan`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anura_edge.cli.archive import scan_archive
from anura_edge.cli.options import ConfigOption, JsonOption, ReanalyseOption, load_with_options, named_path
from anura_edge.cli.result_options import LatitudeOption, LongitudeOption
from anura_edge.cli.run_scan import scan_and_exit
from anura_edge.cli.write_formats import parse_formats, write_formats
from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.errors import ConfigError
from anura_edge.sites.finder import SiteBy

if TYPE_CHECKING:
    from anura_edge.app.site_opener import SiteOpener

PathArgument = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="A folder, for example of an SD card, or one recording. With `--cluster` also a URL, as s3://bucket.",
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=64, help="Recordings to analyse at the same time. Default: one per core."),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Analyse on a Dask cluster: the address of its scheduler, or `local:N` for N workers on this machine."
        " Needs --out. Nothing is sent to a base station.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Also write the calls for other programs into this folder. Without a settings file the journal is"
        " there, too. With --cluster: the folder for the plan, the parts and the results.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAMES",
        help="With --out: formats, with commas between: raven, audacity, kaleidoscope, birdnet (these four by default),"
        " csv, parquet, aoef, camtrap-dp, darwin-core, effort, parquet-effort.",
    ),
]
SitesByOption = Annotated[
    SiteBy | None,
    typer.Option(
        "--sites-by",
        help="The recordings are of several sites: each first sub-folder, begin of a file name, or serial number of a"
        " recorder is a site.",
    ),
]
SitesTableOption = Annotated[
    Path | None,
    typer.Option(
        "--sites",
        metavar="FILE",
        help="The recordings are of the sites of this CSV table: site, latitude, longitude, zone, offset, from, to,"
        " folder, prefix, serial.",
    ),
]


def scan(
    path: PathArgument,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    out: OutOption = None,
    formats: FormatOption = None,
    per_recording: Annotated[
        bool, typer.Option("--per-recording", help="With --out: one file for each recording, in each format.")
    ] = False,
    site: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Site of the recordings that are of no other. Default: device.site."),
    ] = None,
    sites_by: SitesByOption = None,
    sites: SitesTableOption = None,
    utc_offset: Annotated[
        str | None,
        typer.Option(metavar="±hh:mm", help="Offset of the recorder's clock from UTC. Default: audio.utc_offset."),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Time zone of the sites. Default: device.zone.")
    ] = None,
    latitude: LatitudeOption = None,
    longitude: LongitudeOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only report files, hours, sites, clocks, bad files and the time it will take."),
    ] = False,
    config: ConfigOption = None,
    reanalyse: ReanalyseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Analyse each recording below a folder once, store the results and send them to the base station.

    Example: `anura-edge scan /media/card/Data --out results`

    Recordings that were analysed before are skipped. The rows, their ids and their order do not depend on `--jobs`.

    Exit codes: 0 all recordings are analysed, 2 wrong settings, 3 damaged model, 4 no such path, 5 unusable journal,
    8 some recordings are unreadable or not finished, or there is none, 130 interrupted.
    """
    if (formats or per_recording) and (out is None or cluster):
        raise ConfigError("--format and --per-recording need --out FOLDER, and go without --cluster")
    if "://" in path and not cluster:
        raise ConfigError(f"{path} is a URL; analyse it with --cluster ADDRESS --out FOLDER")
    out = expand_home(out) if out else None
    if out and out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out} is a file; name a folder")
    settings = _settings(config, (site, zone, utc_offset, latitude, longitude), None if cluster else out)
    if cluster:
        if out is None or jobs or reanalyse or dry_run or sites or sites_by:
            raise ConfigError("--cluster needs --out, and goes without --jobs, --reanalyse, --sites and --dry-run")
        scan_archive(path, cluster, out, settings, as_json=as_json)
    names, folder = parse_formats(formats), expand_home(named_path(path))
    if "camtrap-dp" in names and settings.device.latitude_deg is None and not sites:
        raise ConfigError(
            "camtrap-dp needs positions; write --latitude and --longitude, or a table of sites: --sites FILE"
        )
    kind, jobs = "file" if folder.is_file() else "folder", jobs or len(os.sched_getaffinity(0))
    opener = _opener(settings, sites, sites_by, site)
    if dry_run:
        from anura_edge.cli.scan_plan import show_dry_run

        show_dry_run(settings, kind, folder, opener, jobs, as_json=as_json)
    if sites or sites_by:
        from anura_edge.cli.scan_plan import show_sites

        show_sites(kind, folder, opener)

    def write() -> None:
        if out or sites or sites_by:
            _remember_sites(settings, opener)
        if out:
            root = folder if kind == "folder" else folder.parent
            write_formats(settings, names, out, root, per_recording=per_recording)

    scan_and_exit(
        settings, kind, folder, jobs, reanalyse=reanalyse, as_json=as_json, opener=opener, write_results=write
    )


SiteValues = tuple[str | None, str | None, str | None, float | None, float | None]
"""Site, zone, UTC offset, latitude and longitude of the options."""


def _settings(config: Path | None, site_values: SiteValues, out: Path | None) -> Config:
    """Return the settings with those of the options. With `out` and without a settings file, the journal is there."""
    site, zone, utc_offset, latitude_deg, longitude_deg = site_values
    has_journal = out and not (config or "ANURA__STATE_DIR" in os.environ)
    options = {
        "--site": ("ANURA__DEVICE__SITE", site),
        "--zone": ("ANURA__DEVICE__ZONE", zone),
        "--utc-offset": ("ANURA__AUDIO__UTC_OFFSET", utc_offset and f"'{utc_offset}'"),
        "--latitude": ("ANURA__DEVICE__LATITUDE_DEG", None if latitude_deg is None else str(latitude_deg)),
        "--longitude": ("ANURA__DEVICE__LONGITUDE_DEG", None if longitude_deg is None else str(longitude_deg)),
        "--out": ("ANURA__STATE_DIR", str(out) if has_journal else None),
    }
    return load_with_options(config, options)


def _opener(settings: Config, sites: Path | None, by: SiteBy | None, default: str | None) -> "SiteOpener":
    """Return what opens the files, each of its site.

    Raises ConfigError if the table of sites is wrong.
    """
    from anura_edge.app.site_opener import SiteOpener
    from anura_edge.sites.finder import SiteFinder
    from anura_edge.sites.table import SiteLine, read_lines

    if not (sites or by):
        return SiteOpener(settings)
    lines = read_lines(expand_home(sites)) if sites else []
    return SiteOpener(settings, SiteFinder(lines, by, SiteLine(default) if default else None))


def _remember_sites(settings: Config, opener: "SiteOpener") -> None:
    """Write the places of the sites beside the journal, for `export` and `report`."""
    from anura_edge.results.new_file import replace_file
    from anura_edge.sites.table import FILE_NAME, merge_lines, read_lines, sites_csv

    file = settings.journal_path.with_name(FILE_NAME)
    if lines := [line for line in opener.used_lines if line.zone or line.has_key]:
        former = read_lines(file) if file.exists() else []
        replace_file(file, [sites_csv(merge_lines(former, lines)).encode()])
