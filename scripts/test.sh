#!/usr/bin/env bash
# Check style and run the tests, in .venv: bash scripts/test.sh [fast | gpu] [pytest arguments]
# fast: the unit tests, to run while working. gpu: the tests that need CUDA. Neither: all others.
set -euo pipefail
cd "$(dirname "$0")/.."
tests="not gpu"
case "${1:-}" in
    fast) tests=unit && shift ;;
    gpu) tests=gpu && shift ;;
esac
source scripts/setup.sh
setup_venv requirements.txt requirements-dev.txt
ruff check
ruff format --check
python -m pytest -n 2 --dist worksteal -m "$tests" "$@"
