from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from ppocr.data.collate import BatchMaker, Fault, SamplePlace, collate
from ppocr.data.dataset import SampleDataset
from ppocr.data.sample import Failure, Index, SampleInfo
from ppocr.errors import DatasetError, SampleError


class Numbers(SampleDataset):
    """Twice the position; the positions in `bad` are bad, those in `broken` raise."""

    def __init__(self, size: int, bad: Any = (), broken: Any = ()) -> None:
        super().__init__(None, seed=1)
        self.size, self.bad, self.broken = size, set(bad), set(broken)

    def __len__(self) -> int:
        return self.size

    def describe(self, index: Index, rng: np.random.Generator) -> SampleInfo | Failure:
        return SampleInfo("numbers", index.position + 1, "", str(index.position))

    def __getitem__(self, index: Index) -> dict[str, Any] | Failure:
        info = self.describe(index, np.random.default_rng())
        if index.position in self.broken:
            raise ZeroDivisionError("broken sample")
        if index.position in self.bad:
            return Failure(info, "bad", "")  # type: ignore[arg-type]
        return {"value": 2 * index.position, "info": info, "counts": {"made": 1}}


def indices(*positions: int) -> list[Index]:
    return [Index(0, position) for position in positions]


class TestCollate:
    def test_types(self) -> None:
        samples = [{"image": np.full((1, 2), i, np.float32), "double": np.zeros(2), "label": np.array([i]), "length": i,
                    "ratio": i / 2, "flag": i > 0, "info": object(), "rng": None, "epoch": 3} for i in range(2)]
        batch = collate(samples)
        assert {key: (str(value.dtype), value.shape) for key, value in batch.items()} == {
            "image": ("float32", (2, 1, 2)), "double": ("float32", (2, 2)), "label": ("int64", (2, 1)),
            "length": ("int64", (2,)), "ratio": ("float32", (2,)), "flag": ("bool", (2,))}
        assert batch["ratio"].tolist() == [0.0, 0.5]

    def test_lists_stay_lists(self) -> None:
        samples: list[dict[str, Any]] = [{"polys": [np.zeros((4, 2)), np.ones((3, 2))], "flags": [True, False]},
                                         {"polys": [], "flags": []}]
        batch = collate(samples)
        assert [len(polys) for polys in batch["polys"]] == [2, 0]
        assert batch["polys"][0][1] is samples[0]["polys"][1]
        assert batch["flags"] == [[True, False], []]

    def test_nothing(self) -> None:
        assert collate([]) == {}

    @pytest.mark.parametrize(("values", "match"), [
        ([np.zeros((3, 8, 16)), np.zeros((3, 8, 20))], r"'image' has the shape \[3, 8, 20\], the first of the batch"),
        (["text", "text"], "'image' of the samples is str"),
        ([1, "text"], "'image' of the samples is str"),
        ([[1], np.zeros(1)], "'image' of the samples is list"),
        ([np.zeros(1), [1, [2]]], "'image' of the samples is list"),
    ])
    def test_what_cannot_be_stacked(self, values: list[Any], match: str) -> None:
        with pytest.raises(DatasetError, match=match):
            collate([{"image": value} for value in values])

    def test_images_of_an_evaluation_may_differ_in_size(self) -> None:
        values = [np.zeros((3, 8, 16)), np.zeros((3, 8, 20))]
        batch = collate([{"image": value, "length": 1} for value in values], ragged=("image",))
        assert batch["image"] == values
        assert isinstance(batch["length"], np.ndarray)
        alike = collate([{"image": values[0]}] * 2, ragged=("image",))["image"]
        assert isinstance(alike, np.ndarray)

    def test_missing_key(self) -> None:
        with pytest.raises(DatasetError, match="the sample has no 'b'"):
            collate([{"a": 1, "b": 1}, {"a": 1}])


class TestBatchMaker:
    def test_bad_samples_are_left_out(self) -> None:
        batch = BatchMaker(Numbers(5, bad=[1]))[indices(0, 1, 4)]
        assert batch["value"].tolist() == [0, 8]
        notes = batch["notes"]
        assert [info.line for info in notes.info] == [1, 5]
        assert [failure.info.line for failure in notes.failed] == [2]
        assert notes.counts == {"made": 2}

    def test_lists_and_remarks_travel_in_the_notes(self) -> None:
        class WithLists(Numbers):
            def __getitem__(self, index: Index) -> dict[str, Any] | Failure:
                sample = super().__getitem__(index)
                return {**sample, "polys": [index.position], "remarks": [f"odd {index.position}"]}  # type: ignore[dict-item]

        batch = BatchMaker(WithLists(5))[indices(1, 4)]
        notes = batch["notes"]
        assert set(batch) == {"value", "notes"}
        assert notes.lists == {"polys": [[1], [4]]}
        assert [str(remark) for remark in notes.remarks] == ["numbers:2: odd 1", "numbers:5: odd 4"]

    def test_check(self) -> None:
        def check(sample: dict[str, Any]) -> None:
            if sample["value"] == 4:
                raise SampleError("too long for CTC", "needs 5 steps, has 3")

        notes = BatchMaker(Numbers(5), check)[indices(1, 2)]["notes"]
        assert [str(failure) for failure in notes.failed] == ["numbers:3: too long for CTC: needs 5 steps, has 3"]

    def test_an_evaluation_batch_may_be_empty(self) -> None:
        batch = BatchMaker(Numbers(5, bad=[1, 2]))[indices(1, 2)]
        assert list(batch) == ["notes"]
        assert len(batch["notes"].failed) == 2

    def test_a_training_batch_gets_another_sample(self) -> None:
        maker = BatchMaker(Numbers(9, bad=[0, 1, 2]), refill=True)
        first, second = maker[indices(0, 1)], maker[indices(0, 1)]
        assert first["value"].tolist() == second["value"].tolist()
        assert len(first["value"]) == 1
        assert first["value"][0] >= 6
        assert first["notes"].counts["batches that were all bad and got another sample"] == 1

    def test_refill_gives_up(self) -> None:
        batch = BatchMaker(Numbers(4, bad=range(4)), refill=True)[indices(0)]
        assert list(batch) == ["notes"]
        assert batch["notes"].fault is None

    def test_a_fault_names_the_sample(self) -> None:
        fault = BatchMaker(Numbers(4, broken=[2]))[indices(1, 2)]["notes"].fault
        assert fault.place == "numbers:3"
        with pytest.raises(ZeroDivisionError, match="broken sample") as error:
            fault.throw()
        assert isinstance(error.value.__cause__, SamplePlace)
        assert "the sample numbers:3" in str(error.value.__cause__)
        assert "in __getitem__" in str(error.value.__cause__)


class Unpicklable(Exception):
    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(f"{code} {detail}")


class TestFault:
    def test_errors_for_the_user_name_the_sample(self) -> None:
        fault = Fault("train.txt:3", "", DatasetError("wrong", expected="right", cure="do"))
        with pytest.raises(DatasetError, match="train.txt:3: wrong\n  expected: right"):
            pickle.loads(pickle.dumps(fault.portable())).throw()

    def test_exceptions_that_cannot_travel_become_text(self) -> None:
        fault = Fault("train.txt:3", "", Unpicklable(3, detail="boom")).portable()
        with pytest.raises(RuntimeError, match="Unpicklable: 3 boom"):
            pickle.loads(pickle.dumps(fault)).throw()
