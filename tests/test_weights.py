from __future__ import annotations

import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr.errors import CheckpointError
from ppocr.fileio import sha256
from ppocr.modeling.common.rep_layer import LearnableRepLayer
from ppocr.weights import LoadReport, group_names, load_into, read_weights, write_weights
from tests.shared_files import SHARED, needs_shared

PUBLISHED = {
    "MobileNetV3_large_x0_5_pretrained.pdparams": 267,
    "en_number_mobile_v2.0_rec_train/best_accuracy.pdparams": 245,
    "ch_ppocr_mobile_v2.0_det_train/best_accuracy.pdparams": 269,
}


def paddle_load(path: Path) -> dict[str, Any]:
    return paddle.load(str(path), return_numpy=True)  # Written by this test or published: trusted.


def linear(rows: int = 3, columns: int = 2) -> Any:
    return paddle.nn.Linear(rows, columns)


class Network(paddle.nn.Layer):
    """A convolution, a batch norm and a bidirectional LSTM, whose weights have two names each."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv = paddle.nn.Conv2D(3, 4, 3)
        self.bn = paddle.nn.BatchNorm2D(4)
        self.lstm = paddle.nn.LSTM(4, 3, direction="bidirectional")
        self.head = paddle.nn.Linear(6, classes)


TENSORS = 2 + 4 + 8 + 2


class TestReading:
    @pytest.mark.parametrize("name", PUBLISHED)
    @needs_shared("weights")
    def test_published_weights_are_read_as_paddle_reads_them(self, name: str) -> None:
        path = SHARED / "weights" / name
        ours, theirs = read_weights(path), paddle_load(path)
        theirs.pop("StructuredToParameterName@@", None)
        assert len(ours) == PUBLISHED[name]
        assert list(ours) == list(theirs)
        for key, array in theirs.items():
            assert ours[key].dtype == array.dtype
            np.testing.assert_array_equal(ours[key], array)
        assert ours.sha256 == sha256(path)

    @pytest.mark.parametrize("protocol", [2, 3, 4])
    def test_what_paddle_writes(self, tmp_path: Path, protocol: int) -> None:
        state = Network().state_dict()
        paddle.save(state, str(tmp_path / "w.pdparams"), protocol=protocol)
        read = read_weights(tmp_path / "w")
        assert set(read) == set(state)
        for key, tensor in state.items():
            np.testing.assert_array_equal(read[key], tensor.numpy())

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64", "bool", "uint8"])
    @pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
    def test_types_and_shapes(self, tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
        array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
        write_weights(tmp_path / "w.pdparams", {"a": array})
        read = read_weights(tmp_path / "w.pdparams")["a"]
        assert read.dtype == array.dtype
        assert read.shape == shape
        np.testing.assert_array_equal(read, array)

    def test_fortran_order_and_foreign_byte_order(self, tmp_path: Path) -> None:
        content = {"f": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "big": np.arange(3, dtype=">f4")}
        (tmp_path / "w.pdparams").write_bytes(pickle.dumps(content))
        read = read_weights(tmp_path / "w")
        np.testing.assert_array_equal(read["f"], [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(read["big"], [0, 1, 2])
        assert read["big"].dtype == np.dtype("<f4")

    def test_named_tuples_of_paddle_and_numpy_scalars(self, tmp_path: Path) -> None:
        content = OrderedDict(a=("linear_0.w_0", np.ones(2)), b=np.float32(3))
        (tmp_path / "w.pdparams").write_bytes(pickle.dumps(content))
        read = read_weights(tmp_path / "w")
        np.testing.assert_array_equal(read["a"], [1, 1])
        assert read["b"] == 3


class RunsCommand:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)


class TestHostileFiles:
    def test_code_is_not_run_and_is_named(self, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        content = {"head.weight": RunsCommand(trace)}
        (tmp_path / "w.pdparams").write_bytes(pickle.dumps(content))
        with pytest.raises(CheckpointError, match=r"(posix|nt)\.system"):
            read_weights(tmp_path / "w.pdparams")
        assert not trace.exists()

    @pytest.mark.parametrize("name", ["builtins.eval", "builtins.getattr", "numpy.load", "functools.partial",
                                      "numpy.core.multiarray.fromstring", "collections.defaultdict"])
    def test_nothing_but_arrays_is_known(self, tmp_path: Path, name: str) -> None:
        module, function = name.rsplit(".", 1)
        (tmp_path / "w.pdparams").write_bytes(f"c{module}\n{function}\n(tR.".encode())
        with pytest.raises(CheckpointError, match=name):
            read_weights(tmp_path / "w")

    def test_dotted_names_do_not_reach_into_known_ones(self, tmp_path: Path) -> None:
        data = b"\x80\x04\x8c\x05numpy\x8c\x18ndarray.__init__.__new__\x93."
        (tmp_path / "w.pdparams").write_bytes(data)
        with pytest.raises(CheckpointError, match=r"numpy\.ndarray\.__init__"):
            read_weights(tmp_path / "w")

    def test_objects_in_arrays_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "w.pdparams").write_bytes(pickle.dumps({"a": np.array([1, "x"], dtype=object)}))
        with pytest.raises(CheckpointError, match="not a number"):
            read_weights(tmp_path / "w")

    def test_known_functions_cannot_be_altered(self, tmp_path: Path) -> None:
        # BUILD with a state of attributes, on the stand-in for a NumPy function.
        data = b"cnumpy.core.multiarray\n_reconstruct\n(N}S'__defaults__'\n(I1\ntstb."
        (tmp_path / "w.pdparams").write_bytes(data)
        with pytest.raises(CheckpointError, match="alter"):
            read_weights(tmp_path / "w")


class TestUnusableFiles:
    def test_missing_names_what_is_there(self, tmp_path: Path) -> None:
        write_weights(tmp_path / "best_accuracy.pdparams", {"a": np.ones(1)})
        with pytest.raises(CheckpointError, match=r"did you mean 'best_accuracy\.pdparams'"):
            read_weights(tmp_path / "best_acuracy")
        with pytest.raises(CheckpointError, match="it is a folder, which holds best_accuracy"):
            read_weights(tmp_path)

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
    def test_truncated(self, tmp_path: Path, share: float) -> None:
        path = tmp_path / "w.pdparams"
        write_weights(path, Network().state_dict())
        path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
        with pytest.raises(CheckpointError, match="damaged"):
            read_weights(path)

    def test_random_bytes_and_flipped_bits_never_escape(self, tmp_path: Path) -> None:
        path = tmp_path / "w.pdparams"
        write_weights(path, linear().state_dict())
        whole = path.read_bytes()
        random = np.random.default_rng(0)
        for _ in range(200):
            damaged = bytearray(whole)
            for position in random.integers(0, len(whole), 3):
                damaged[position] = int(random.integers(256))
            path.write_bytes(bytes(damaged))
            try:
                read_weights(path)
            except CheckpointError:
                continue

    @pytest.mark.parametrize(("content", "words"), [
        ([1, 2], "holds a list"),
        (np.ones(3), "holds a ndarray"),
        ({"epoch": 3}, "'epoch' is a int"),
        ({"a": np.ones(1), "LR_Scheduler": {"last_lr": 0.1}}, "state of an optimizer"),
        ({"Student": {"a": np.ones(1)}}, "'Student' is a dict"),
    ])
    def test_another_kind_of_file(self, tmp_path: Path, content: Any, words: str) -> None:
        (tmp_path / "w.pdparams").write_bytes(pickle.dumps(content))
        with pytest.raises(CheckpointError, match=words):
            read_weights(tmp_path / "w")


class TestWriting:
    def test_paddle_reads_it(self, tmp_path: Path) -> None:
        state = Network().state_dict()
        write_weights(tmp_path / "w.pdparams", state)
        theirs = paddle_load(tmp_path / "w.pdparams")
        assert set(theirs) == set(state)
        for key, tensor in state.items():
            np.testing.assert_array_equal(theirs[key], tensor.numpy())

    def test_aliases_are_stored_once(self, tmp_path: Path) -> None:
        state = paddle.nn.LSTM(64, 64).state_dict()
        write_weights(tmp_path / "w.pdparams", state)
        once = 4 * (2 * 256 * 64 + 2 * 256)
        assert len(state) == 8
        assert once < (tmp_path / "w.pdparams").stat().st_size < 1.1 * once

    def test_failure_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "w.pdparams"
        write_weights(path, {"a": np.ones(2)})
        with pytest.raises((pickle.PicklingError, AttributeError)):
            write_weights(path, {"a": np.zeros(2), "b": np.array([lambda: None])})
        np.testing.assert_array_equal(read_weights(path)["a"], [1, 1])
        assert [entry.name for entry in tmp_path.iterdir()] == ["w.pdparams"]


class TestLoading:
    def test_all(self, tmp_path: Path) -> None:
        source, target = Network(), Network()
        write_weights(tmp_path / "w.pdparams", source.state_dict())
        report = load_into(target, read_weights(tmp_path / "w"), strict=True)
        assert (report.loaded, report.total, report.share) == (TENSORS, TENSORS, 1.0)
        assert report.sha256 == sha256(tmp_path / "w.pdparams")
        assert f"loaded {TENSORS}/{TENSORS} tensors (sha256 {report.sha256[:12]})" in str(report)
        for key, tensor in source.state_dict().items():
            np.testing.assert_array_equal(target.state_dict()[key].numpy(), tensor.numpy())

    @pytest.mark.parametrize("dropped", ["lstm.weight", "lstm.0.cell", "neither"])
    def test_one_name_of_a_tensor_is_enough(self, dropped: str) -> None:
        source, target = Network(), Network()
        weights = {key: tensor.numpy() for key, tensor in source.state_dict().items() if not key.startswith(dropped)}
        report = load_into(target, weights)
        assert report.missing == ()
        assert report.unexpected == ()
        np.testing.assert_array_equal(target.lstm.weight_ih_l0.numpy(), source.lstm.weight_ih_l0.numpy())

    def test_another_charset_is_recognised(self) -> None:
        weights = {key: tensor.numpy() for key, tensor in Network(classes=9).state_dict().items()}
        target = Network(classes=5)
        before = target.conv.weight.numpy()
        with pytest.raises(CheckpointError, match="loaded 14/16") as caught:
            load_into(target, weights)
        assert "the head has 5 classes, the file 9 (head.bias): another charset" in caught.value.cure
        assert "head.weight (model [6, 5], file [6, 9])" in caught.value.what
        np.testing.assert_array_equal(target.conv.weight.numpy(), before)

    def test_a_lower_share_is_accepted_when_asked_for(self) -> None:
        weights = {key: tensor.numpy() for key, tensor in Network(classes=9).state_dict().items()}
        report = load_into(Network(classes=5), weights, minimum_share=0.8)
        assert (report.loaded, len(report.mismatched)) == (14, 2)
        with pytest.raises(CheckpointError, match="at least 90%"):
            load_into(Network(classes=5), weights, minimum_share=0.9)

    def test_a_prefix_is_recognised(self) -> None:
        weights = {f"Student.{key}": tensor.numpy() for key, tensor in Network().state_dict().items()}
        with pytest.raises(CheckpointError, match=r"loaded 0/16.*") as caught:
            load_into(Network(), weights, minimum_share=0.5)
        assert "begin with 'Student.'" in caught.value.cure

    @pytest.mark.parametrize(("model_is_merged", "cure"), [(False, "set reparameterized: true"),
                                                           (True, "set reparameterized: false")])
    def test_merged_branches_are_recognised(self, model_is_merged: bool, cure: str) -> None:
        file, model = (LearnableRepLayer(4, 8, 3, reparameterized=merged) for merged in (not model_is_merged,
                                                                                       model_is_merged))
        with pytest.raises(CheckpointError) as caught:
            load_into(model, {key: tensor.numpy() for key, tensor in file.state_dict().items()})
        assert cure in caught.value.cure

    def test_strangers_are_reported_and_refused_when_strict(self) -> None:
        weights = {**{key: tensor.numpy() for key, tensor in linear().state_dict().items()}, "extra": np.ones(1)}
        assert load_into(linear(), weights).unexpected == ("extra",)
        with pytest.raises(CheckpointError, match="without a place in the model: extra"):
            load_into(linear(), weights, strict=True)

    def test_values_take_the_type_of_the_model(self, tmp_path: Path) -> None:
        target = linear()
        weight = np.array([[1.5, -2], [0.25, 4], [5, 6]])
        load_into(target, {"weight": weight.astype(np.float64), "bias": np.array([1, 2], np.float16)})
        np.testing.assert_array_equal(target.weight.numpy(), weight.astype(np.float32))
        half = linear().to(dtype="bfloat16")
        load_into(half, {"weight": weight, "bias": np.zeros(2)})
        write_weights(tmp_path / "half.pdparams", half.state_dict())
        load_into(target, read_weights(tmp_path / "half"))
        np.testing.assert_array_equal(target.weight.numpy(), weight.astype(np.float32))

    def test_later_changes_of_the_model_do_not_reach_the_arrays(self) -> None:
        target, array = linear(), np.ones((3, 2), np.float32)
        load_into(target, {"weight": array, "bias": np.zeros(2, np.float32)})
        target.weight.set_value(np.zeros((3, 2), np.float32))
        assert array.sum() == 6


class TestReport:
    def test_ten_names_are_shown_at_most(self) -> None:
        names = tuple(f"backbone.blocks.{block}.conv.{kind}" for block in range(12) for kind in ("weight", "bias"))
        assert group_names(names) == "backbone.blocks.* (24)"
        assert group_names(names[:2]) == "backbone.blocks.0.conv.weight, backbone.blocks.0.conv.bias"
        groups = group_names([f"part{index}.weight" for index in range(15)])
        assert groups.count(",") == 10
        assert groups.endswith("and 5 more groups")

    def test_mismatches_are_cut_too(self) -> None:
        mismatched = tuple((f"a{index}", (1,), (2,)) for index in range(12))
        report = LoadReport(0, 12, (), (), mismatched, "w.pdparams", "")
        assert "a9 (model [1], file [2]), and 2 more" in str(report)
        assert "a10" not in str(report)


def test_damaged_length_does_not_allocate() -> None:
    # A text that claims to be 2 GiB long is refused as truncated, not allocated.
    from io import BytesIO

    from ppocr.safe_pickle import read_pickle

    with pytest.raises(pickle.UnpicklingError):
        read_pickle(BytesIO(b"\x80\x04B" + struct.pack("<I", 2**31 - 1) + b"x"))
