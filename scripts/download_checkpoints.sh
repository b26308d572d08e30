#!/usr/bin/env bash
# Get the weights that NVIDIA released for SPADE: generators for COCO-Stuff, ADE20K and Cityscapes.
#
#   bash scripts/download_checkpoints.sh [DIR] [--yes] [--base_url URL] [--keep_archives]
#
# DIR               where to write (default: checkpoints)
# --yes             agree to the license without being asked
# --base_url URL    a mirror that has checkpoints.tar.gz
# --keep_archives   do not delete the archive in DIR/.download when it is unpacked
#
# The archive comes from Google Drive through gdown. Its id there is the one the published README named; should it have
# moved, set CHECKPOINTS_ID to another id, or CHECKPOINTS_URL to an address. The same command goes on after an
# interruption.
set -euo pipefail
source "$(dirname "$0")/download.sh"
parse_arguments "$@"
[ ${#positional[@]} -le 1 ] || fail "one folder, please; --help shows how"
[ ${#positional[@]} -eq 0 ] || folder=$(absolute "${positional[0]}")

cat <<END
The weights belong to NVIDIA and are under the license CC BY-NC-SA 4.0
(https://creativecommons.org/licenses/by-nc-sa/4.0/): name the authors, do not use them or what you make of them
commercially, and share what you make of them under the same license. The license of this code does not cover them.
END
if [ -z "$agreed" ]; then
    [ -t 0 ] || fail "add --yes to agree to the license"
    read -r -p "Do you agree? [y/N] " answer
    case $answer in
        y | Y | yes) ;;
        *) fail "nothing is downloaded without agreement" ;;
    esac
fi
enter_repository
: "${folder:=$PWD/checkpoints}"
archive=$folder/.download/checkpoints.tar.gz
url=${base_url:+$base_url/checkpoints.tar.gz}
url=${url:-${CHECKPOINTS_URL:-}}

names=(coco_pretrained ade20k_pretrained cityscapes_pretrained)
targets=()
for name in "${names[@]}"; do
    targets+=(--unpack "$folder/$name" "$name")
done
if [ ! -e "$archive.done" ] && [ ! -e "$archive" ]; then
    mkdir -p "$(dirname "$archive")"
    if [ -n "$url" ]; then
        python -m scripts.download fetch "$url" "$archive"
    else
        command -v gdown >/dev/null || install gdown
        gdown --continue --output "$archive" "${CHECKPOINTS_ID:-12gvlTbMvUcJewQlSEaZdeb2CdOB-b8kQ}" ||
            fail "gdown cannot get the archive (see above); try again later, or set CHECKPOINTS_ID or CHECKPOINTS_URL"
    fi
    touch "$archive.fetched"
fi
# opt.pkl stays out: reading a pickle can run any code, and nothing here reads it.
new=""
[ -e "$archive.done" ] || new=1
unpack "$archive" --skip '*.pkl' "${targets[@]}"

[ -z "$new" ] || python - "$folder"/*_pretrained/latest_net_G.pth <<'END'
import sys
from pathlib import Path

from util.console import exit_statuses

from models.weights import read_weights

with exit_statuses("download_checkpoints.sh"):
    for path in sys.argv[1:]:
        print(f"{path}: {len(read_weights(Path(path)))} tensors")
END
echo "The architecture is that of each preset; opt.pkl is left out on purpose. For results:"
for name in "${names[@]}"; do
    echo "    python test.py --name $name --dataset_mode ${name%_pretrained} --checkpoints_dir '$folder'"
done
