#!/usr/bin/env bash
# Make the environment in which PaddleOCR takes its turn in detection_vs_peer.py.
#
#   setup_paddleocr.sh FOLDER [CHECKOUT]
#
# FOLDER    gets env/ (a virtual environment) and source/ (PaddleOCR's sources); nothing is installed elsewhere.
# CHECKOUT  a checkout of PaddleOCR's repository, only needed where its site cannot be reached: the release on PyPI
#           holds the transforms and the post-processing, but not ppocr/metrics.
#
# PYTHON    the interpreter to use (default: python3.11)
set -euo pipefail

VERSION=3.7.0
METRIC=ppocr/metrics/eval_det_iou.py

folder=$(mkdir -p "${1:?usage: setup_paddleocr.sh FOLDER [CHECKOUT]}" && cd "$1" && pwd)
checkout=${2:-}
here=$(cd "$(dirname "$0")" && pwd)

test -x "$folder/env/bin/python" || "${PYTHON:-python3.11}" -m venv "$folder/env"
pip() { "$folder/env/bin/python" -m pip --disable-pip-version-check "$@"; }

if [ ! -d "$folder/source/ppocr/data" ]; then
    # pip reads a source release's metadata with its build tools, which are therefore needed beforehand.
    pip install -q setuptools==72.1.0 setuptools_scm wheel
    pip download -q --no-binary :all: --no-deps --no-build-isolation -d "$folder" "paddleocr==$VERSION"
    mkdir -p "$folder/source"
    tar xzf "$folder/paddleocr-$VERSION.tar.gz" -C "$folder/source" --strip-components=1
fi

# Its requirements name no versions; these are those that the published figures were measured with. From NumPy 2.4 on its
# EastRandomCropData raises TypeError for nearly every picture, and its data set silently takes another one.
pip install -q -r "$folder/source/requirements.txt" paddlepaddle==3.3.1 numpy==2.3.5 shapely==2.2.0 \
    pyclipper==1.4.0 scikit-image==0.26.0 albumentations==2.0.8 albucore==0.0.24 opencv-python==5.0.0.93 \
    opencv-contrib-python==5.0.0.93 opencv-python-headless==5.0.0.93

if [ ! -f "$folder/source/$METRIC" ]; then
    mkdir -p "$folder/source/ppocr/metrics"
    if [ -n "$checkout" ]; then
        cp "$checkout/$METRIC" "$folder/source/$METRIC"
    elif ! "$folder/env/bin/python" - "$VERSION" "$METRIC" "$folder/source/$METRIC" <<'PYTHON'
import pathlib, sys, urllib.request
version, name, target = sys.argv[1:]
address = f"https://raw.githubusercontent.com/PaddlePaddle/PaddleOCR/v{version}/{name}"
try:
    text = urllib.request.urlopen(address, timeout=60).read()
except OSError as error:
    sys.exit(f"{address}: {error}")
pathlib.Path(target).write_bytes(text)
PYTHON
    then
        echo "The metric cannot be compared: $METRIC is in no release. Give a checkout as the second argument." >&2
    fi
fi

"$folder/env/bin/python" "$here/paddleocr_side.py" --source "$folder/source" --check
