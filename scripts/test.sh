#!/usr/bin/env bash
# Check style and types, and run the tests, in .venv: bash scripts/test.sh [fast | gpu] [pytest arguments]
# fast: style and the unit tests, to run while working. gpu: the tests that need CUDA. Neither: all others, and types.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=(-m "not gpu")
check_types=basedpyright
case "${1:-}" in
    fast) tests=(-m unit --ignore tests/scripts) check_types=true && shift ;; # tests/scripts holds no unit tests
    gpu) tests=(-m gpu) && shift ;;
esac
source scripts/setup.sh
setup_venv requirements.txt requirements-dev.txt
unset PYTHONDONTWRITEBYTECODE # compiled files are kept: tests are collected, and programs start, in less time
ruff check
ruff format --check
"$check_types" & # beside the tests: alone it keeps one core busy
types=$! status=0
# By file, in the order of tests/conftest.py: what the tests of a file share is made once. Three for two cores, as tests
# wait for the programs that they start.
python -m pytest -n 3 --dist loadfile --no-loadscope-reorder "${tests[@]}" "$@" || status=$?
wait "$types" && exit "$status"
