"""A summary fits into 51 bytes, and Python and JavaScript read what was written."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from browser import Page
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import ClockSource
from anura_edge.errors import DeliveryError
from anura_edge.inference.bundle import DEFAULT_BUNDLE
from anura_edge.inference.manifest import Manifest
from anura_edge.wire.summary import (
    MAX_BYTES,
    MAX_LABELS,
    MAX_SPECIES,
    SpeciesSummary,
    Summary,
    decode_summary,
    encode_summary,
)

DECODER = Path(__file__).parents[3] / "deploy/lorawan/decoder.js"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

species = st.builds(SpeciesSummary, st.integers(0, MAX_LABELS - 1), st.integers(0, 3), st.integers(0, 2_000))
summaries = st.builds(
    Summary,
    st.integers(0, 2**32 - 1).map(lambda seconds: EPOCH + timedelta(seconds=seconds)),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**16 - 1),
    st.sampled_from(ClockSource),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.lists(species, max_size=30, unique_by=lambda each: each.label),
)


@given(summaries)
def test_summary_fits_and_is_read_as_it_was_written(summary: Summary) -> None:
    data = encode_summary(summary)
    assert len(data) <= MAX_BYTES
    read = decode_summary(data)
    assert (read.begin_utc, read.length_min, read.analysed_min) == (
        summary.begin_utc,
        summary.length_min,
        summary.analysed_min,
    )
    assert (read.clock, read.model_sha256) == (summary.clock, summary.model_sha256[:8])
    assert read.is_cut == (len(summary.species) > MAX_SPECIES)
    written = {each.label: each for each in summary.species}
    assert len(read.species) == min(len(summary.species), MAX_SPECIES)
    for each in read.species:
        original = written.pop(each.label)
        assert (each.calling_index, each.minutes_with_calls) == (
            original.calling_index,
            min(original.minutes_with_calls, 511),
        )
    least = min((each.minutes_with_calls for each in read.species), default=0)
    assert all(min(left.minutes_with_calls, 511) <= least for left in written.values())
    assert encode_summary(read) == data


@given(st.binary(max_size=60))
def test_any_bytes_are_a_summary_or_an_error(data: bytes) -> None:
    try:
        summary = decode_summary(data)
    except DeliveryError:
        return
    assert encode_summary(summary)[1:13] == data[1:13]


@pytest.mark.parametrize(
    "changed", [{"length_min": -1}, {"analysed_min": 1 << 16}, {"begin_utc": EPOCH - timedelta(1)}]
)
def test_number_outside_the_format_is_an_error(changed: dict[str, object]) -> None:
    values: dict[str, object] = {"begin_utc": EPOCH, "length_min": 60, "analysed_min": 60}
    with pytest.raises(ValueError, match="a summary cannot hold"):
        encode_summary(Summary(**{**values, **changed}, clock=ClockSource.GPS, model_sha256="5f" * 32, species=()))  # type: ignore[arg-type]


def test_labels_of_the_largest_published_model_have_numbers() -> None:
    assert MAX_LABELS > 6_522  # BirdNET v2.4
    assert len(Manifest.model_validate_json((DEFAULT_BUNDLE / "manifest.json").read_text()).labels) <= MAX_LABELS


def test_javascript_reads_the_same(open_page: Callable[[str], Page]) -> None:
    page = open_page("about:blank")
    entries = [SpeciesSummary(17, 3, 60), SpeciesSummary(8_191, 1, 511)]
    summary = Summary(
        datetime(2106, 1, 1, 20, tzinfo=UTC), 720, 700, ClockSource.RECORDER, "05fe0001" * 8, entries, True
    )
    data = [*encode_summary(summary)]
    read = json.loads(page.evaluate(f"{DECODER.read_text()}; JSON.stringify(decodeUplink({{bytes: {data}}}))"))["data"]
    assert read == {
        "begin_utc": "2106-01-01T20:00:00.000Z",
        "length_min": 720,
        "analysed_min": 700,
        "clock": "recorder",
        "model_sha256": "05fe0001",
        "is_cut": True,
        "species": [
            {"label": 8_191, "calling_index": 1, "minutes_with_calls": 511},
            {"label": 17, "calling_index": 3, "minutes_with_calls": 60},
        ],
    }
    refused = json.loads(page.evaluate(f"JSON.stringify(decodeUplink({{bytes: {[0x20, *data[1:]]}}}))"))
    assert refused == {"errors": ["a summary of version 2; this decoder reads version 1"]}
