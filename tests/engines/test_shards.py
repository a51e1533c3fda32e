"""The queue of shards: small shards first and last, and retries after a worker has died."""

from cambench.bench.engines._shards import Shard, ShardQueue


def groups(count: int, size: int = 1) -> list[list[int]]:
    return [list(range(start * size, (start + 1) * size)) for start in range(count)]


def test_each_group_is_taken_once_and_net_by_net() -> None:
    queue, shards = ShardQueue({"a": groups(40, 2), "b": groups(3)}, workers=2), []
    while queue:
        shards.append(queue.take(5))
        queue.record_time(shards[-1], 0.5 * len(shards[-1].groups))
    assert [shard.net for shard in shards] == sorted(shard.net for shard in shards)
    assert [index for shard in shards if shard.net == "a" for index in shard.images] == list(range(80))
    assert [index for shard in shards if shard.net == "b" for index in shard.images] == [0, 1, 2]
    sizes = [len(shard.groups) for shard in shards if shard.net == "a"]
    assert sizes[0] == 1  # the speed is not known yet
    assert sizes[1:3] == [10, 8]  # 5 s of work, 0.5 s each; then no more than half of a worker's share of the rest
    assert sizes[-1] == 1


def test_a_shard_has_a_bounded_number_of_images() -> None:
    queue = ShardQueue({"a": groups(10_000, 8)}, workers=1)
    queue.record_time(queue.take(5), 1e-9)
    assert len(queue.take(1e9).images) == 128


def test_a_dead_workers_shard_is_retried_until_an_image_has_killed_three() -> None:
    queue = ShardQueue({"a": []}, workers=2)
    assert queue.put_back(Shard("a", [[1, 2], [3, 4]])) == ()
    assert queue.take(5) == Shard("a", [[1, 2]], 1)  # the groups that share batches stay together
    second = queue.take(5)
    assert queue.put_back(second) == ()
    third = queue.take(5)
    assert third == Shard("a", [[3, 4]], 2)
    assert queue.put_back(third) == ()
    singles = [queue.take(5), queue.take(5)]
    assert [shard.images for shard in singles] == [[3], [4]]
    assert not queue
    assert queue.put_back(singles[0]) == [3]
    assert not queue
