"""N is exact in small galleries, and counted seldom in large ones."""

from vectors.sizes import LONGEST, SMALL, Sizes


class Gallery:
    """A gallery of some size, that knows how often it was counted, and a clock."""

    def __init__(self, size: int) -> None:
        self.size, self.counted, self.now = size, 0, 100.0
        self.sizes = Sizes(self.count, lambda: self.now)

    def count(self, gallery_id: int, model: str) -> dict[int, int]:
        assert (gallery_id, model) == (7, "a-model")
        self.counted += 1
        return {1: self.size - self.size // 3, 3: self.size // 3}

    def searched(self) -> int:
        return sum(self.sizes.of(7, "a-model").values())


def test_a_small_gallery_is_counted_each_time() -> None:
    gallery = Gallery(SMALL - 2)
    assert gallery.searched() == SMALL - 2
    gallery.size += 1
    assert gallery.searched() == SMALL - 1
    assert gallery.counted == 2


def test_ten_thousand_people_are_counted_once_a_second() -> None:
    gallery = Gallery(10_000)
    assert gallery.searched() == 10_000
    gallery.size = 10_001
    gallery.now += 0.99
    assert (gallery.searched(), gallery.counted) == (10_000, 1)
    gallery.now += 0.02
    assert (gallery.searched(), gallery.counted) == (10_001, 2)


def test_no_count_is_older_than_half_a_minute() -> None:
    gallery = Gallery(50_000_000)
    assert gallery.searched() == 50_000_000
    gallery.size = 0
    gallery.now += LONGEST - 1
    assert gallery.searched() == 50_000_000
    gallery.now += 2
    assert gallery.searched() == 0


def test_galleries_and_models_are_kept_apart() -> None:
    sizes = Sizes(lambda gallery_id, model: {1: 10_000 * gallery_id + len(model)}, lambda: 0.0)
    for _ in range(2):
        counts = [sizes.of(*each)[1] for each in ((1, "a"), (2, "a"), (1, "bc"))]
        assert counts == [10_001, 20_001, 10_002]
