"""How what is left of a run is handed out: little at first and last, and again where a worker died."""

from cambench.bench.engines._shards import Left, Shard


def groups(count: int, size: int = 1) -> list[list[int]]:
    return [list(range(start * size, (start + 1) * size)) for start in range(count)]


def test_every_group_is_handed_out_once_and_net_by_net() -> None:
    left, taken = Left({"a": groups(40, 2), "b": groups(3)}, workers=2), []
    while left:
        taken.append(left.take(5))
        left.timed(taken[-1], 0.5 * len(taken[-1].groups))
    assert [shard.net for shard in taken] == sorted(shard.net for shard in taken)
    assert [index for shard in taken if shard.net == "a" for index in shard.images] == list(range(80))
    assert [index for shard in taken if shard.net == "b" for index in shard.images] == [0, 1, 2]
    sizes = [len(shard.groups) for shard in taken if shard.net == "a"]
    assert sizes[0] == 1  # nobody knows yet how long one takes
    assert sizes[1:3] == [10, 8]  # 5 s of work, 0.5 s each; then no more than half of a worker's share of what is left
    assert sizes[-1] == 1


def test_a_shard_is_never_more_than_memory_is_to_hold() -> None:
    left = Left({"a": groups(10_000, 8)}, workers=1)
    left.timed(left.take(5), 1e-9)
    assert len(left.take(1e9).images) == 128


def test_what_a_worker_died_at_is_handed_out_again_and_an_image_that_kills_three_is_given_up() -> None:
    left = Left({"a": []}, workers=2)
    assert left.put_back(Shard("a", [[1, 2], [3, 4]])) == ()
    assert left.take(5) == Shard("a", [[1, 2]], 1)  # the groups that share batches stay together
    second = left.take(5)
    assert left.put_back(second) == ()
    third = left.take(5)
    assert third == Shard("a", [[3, 4]], 2)
    assert left.put_back(third) == ()
    singles = [left.take(5), left.take(5)]
    assert [shard.images for shard in singles] == [[3], [4]]
    assert not left
    assert left.put_back(singles[0]) == [3]
    assert not left
