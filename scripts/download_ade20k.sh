#!/usr/bin/env bash
# Get ADE20K for --dataset_mode ade20k and ade20k_outdoor: 20,210 training and 2,000 validation photos with label maps.
#
#   bash scripts/download_ade20k.sh [DIR] [--base_url URL] [--keep_archives]
#
# DIR               where to write (default: datasets/ade20k)
# --base_url URL    a mirror that has ADEChallengeData2016.zip
# --keep_archives   do not delete the archive in DIR/.download when it is unpacked
#
# About 1 GB to download and 2 GB free while it is unpacked. The same command goes on after an interruption.
# ADE20K's photos are for non-commercial research and education; its annotations are under a BSD license.
set -euo pipefail
source "$(dirname "$0")/download.sh"
parse_arguments "$@"
[ ${#positional[@]} -le 1 ] || fail "one folder, please; --help shows how"
[ ${#positional[@]} -eq 0 ] || folder=$(absolute "${positional[0]}")
enter_repository
: "${folder:=$PWD/datasets/ade20k}"

get_archive http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip \
    --unpack "$folder" ADEChallengeData2016
if [ ! -e "$folder/outdoor_training.txt" ] || [ ! -e "$folder/outdoor_validation.txt" ]; then
    python -m scripts.prepare outdoor "$folder"
fi
check ade20k
