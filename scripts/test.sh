#!/usr/bin/env bash
# Check style and run the tests, in .venv: bash scripts/test.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt requirements-dev.txt
ruff check
ruff format --check
# Two processes, each with whole files of tests, which share what is slow to make.
python -m pytest -n 2 --dist loadfile "$@"
