#!/usr/bin/env bash
# Make the environment in which PaddleOCR 2.10.0 reads pictures for system_vs_peers.py.
#
#   setup_paddleocr_2.sh FOLDER
#
# FOLDER    gets env/ (a virtual environment); nothing is installed elsewhere.
#
# PYTHON    the interpreter to use (default: python3.11)
set -euo pipefail

folder=$(mkdir -p "${1:?usage: setup_paddleocr_2.sh FOLDER}" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

test -x "$folder/env/bin/python" || "${PYTHON:-python3.11}" -m venv "$folder/env"

# Its requirements name no versions. Paddle, OpenCV and NumPy are those of the side that is compared with it: another
# OpenCV may resize a picture differently.
"$folder/env/bin/python" -m pip --disable-pip-version-check install -q paddleocr==2.10.0 paddlepaddle==3.3.1 \
    setuptools==72.1.0 numpy==2.3.5 shapely==2.2.0 pyclipper==1.4.0 albumentations==2.0.8 albucore==0.0.24 \
    opencv-python==5.0.0.93 opencv-contrib-python==5.0.0.93 opencv-python-headless==5.0.0.93

"$folder/env/bin/python" "$here/paddleocr2_side.py" --check
