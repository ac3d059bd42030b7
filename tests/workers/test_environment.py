import platform

import pytest

from paribus.workers.environment import REPRODUCIBLE, stacked


@pytest.mark.parametrize(
    ("library", "threshold"),
    [(("glibc", "2.36"), 4 * 2**30), (("glibc", "2.34"), 32 * 2**20), (("", ""), None)],
)
def test_arrays_stay_on_the_heap_as_far_as_the_c_library_lets_them(
    monkeypatch: pytest.MonkeyPatch, library: tuple[str, str], threshold: int | None
) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: library)
    environment = stacked()
    assert environment.get("MALLOC_MMAP_THRESHOLD_") == (threshold and str(threshold))
    assert REPRODUCIBLE.items() <= environment.items()
