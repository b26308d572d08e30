# Sourced by the other scripts: makes .venv if it is missing, installs the given requirement files into it when they
# have changed since the last time, and puts it on PATH. Runs in the repository's root.
# SPADE_PYTHON=/path/to/python uses an environment of your own, which must have the requirements already.

setup_venv() {
    if [ -n "${SPADE_PYTHON:-}" ]; then
        python() { "$SPADE_PYTHON" "$@"; }
        PATH="$PATH:$(dirname "$(command -v "$SPADE_PYTHON")")"
        return
    fi
    local python=${PYTHON:-python3} stamp=.venv/.installed new=""
    [ -e .venv ] || new=1
    if [ ! -x .venv/bin/python ]; then
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
            echo "setup: Python 3.10 or newer is needed, found $("$python" --version 2>&1); PYTHON=/path/to/python names another" >&2
            exit 2
        }
        "$python" -m venv .venv || {
            [ -z "$new" ] || rm -rf .venv
            echo "setup: 'python3 -m venv' does not work here; on Debian and Ubuntu: apt install python3-venv" >&2
            exit 2
        }
    fi
    local file
    for file in "$@"; do
        if ! grep -qxF "$(sha256sum "$file")" "$stamp" 2>/dev/null; then
            echo "Installing $file into .venv (torch is large: a few minutes the first time)"
            .venv/bin/python -m pip install --disable-pip-version-check --quiet -r "$file"
            sha256sum "$file" >>"$stamp"
        fi
    done
    export PATH="$PWD/.venv/bin:$PATH"
}
