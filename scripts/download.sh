# Sourced by the download scripts: their arguments, messages, tools and archives. Archives lie in DIR/.download until
# they are unpacked; files there that end in .done remember what is finished.

fail() {
    echo "$(basename "$0"): error: $*" >&2
    exit 2
}

# The comment at the top of the script.
usage() {
    sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//p}' "$0"
}

# parse_arguments "$@": sets `positional`, `folder` (empty), `base_url`, `remove` (flags for unpacking) and `agreed`.
parse_arguments() {
    positional=() folder="" base_url="" remove=(--remove) agreed=""
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) usage && exit 0 ;;
            --base_url) [ $# -gt 1 ] || fail "--base_url: add an address"; base_url=${2%/}; shift ;;
            --base_url=*) base_url=${1#*=} base_url=${base_url%/} ;;
            --keep_archives) remove=() ;;
            --yes) agreed=1 ;;
            -*) fail "$1: no such option; --help lists them" ;;
            *) positional+=("$1") ;;
        esac
        shift
    done
}

# absolute PATH: relative paths are relative to where the user is, not to the repository.
absolute() {
    case $1 in
        /*) echo "$1" ;;
        *) echo "$PWD/$1" ;;
    esac
}

# enter_repository: everything after it runs in the repository's root, with the requirements on PATH.
enter_repository() {
    cd "$(dirname "$0")/.."
    source scripts/setup.sh
    setup_venv requirements.txt
}

# get_archive URL --unpack DIR FOLDER ...: fetches URL, or the file of that name at --base_url, and unpacks it.
get_archive() {
    local url=$1 name=${1##*/}
    shift
    [ -z "$base_url" ] || url=$base_url/$name
    [ -e "$folder/.download/$name.done" ] || rm -f "$folder/.download/checked"
    python -m scripts.download fetch "$url" "$folder/.download/$name" "$@" "${remove[@]}"
}

# unpack ARCHIVE FLAGS...: an archive that was not downloaded here is kept.
unpack() {
    local flags=()
    [ ! -e "$1.fetched" ] || flags=("${remove[@]}")
    python -m scripts.download unpack "$@" "${flags[@]}"
}

# install PACKAGE...: puts Python packages that only one script needs into the environment.
install() {
    echo "Installing $*"
    python -m pip install --disable-pip-version-check --quiet "$@" ||
        fail "pip cannot install $*; is there a connection?"
}

# check MODE: what training and testing need of every file, once.
check() {
    local stamp=$folder/.download/checked phase
    if [ -e "$stamp" ]; then
        echo "Already checked; to do it again: python -m scripts.prepare check --dataset_mode $1 --dataroot '$folder'"
        return
    fi
    for phase in train test; do
        python -m scripts.prepare check --dataset_mode "$1" --dataroot "$folder" --phase "$phase"
    done
    touch "$stamp"
}
