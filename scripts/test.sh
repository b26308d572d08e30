#!/usr/bin/env bash
# Check style and run the tests, in .venv: bash scripts/test.sh [fast | gpu] [pytest arguments]
# fast: the unit tests, to run while working. gpu: the tests that need CUDA. Neither: all others.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=(-m "not gpu")
case "${1:-}" in
    fast) tests=(-m unit --ignore tests/scripts) && shift ;; # which holds none, and takes seconds to import
    gpu) tests=(-m gpu) && shift ;;
esac
source scripts/setup.sh
setup_venv requirements.txt requirements-dev.txt
ruff check
ruff format --check
python -m pytest -n 2 --dist worksteal "${tests[@]}" "$@"
