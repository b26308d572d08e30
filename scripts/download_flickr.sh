#!/usr/bin/env bash
# Get photos of your own choice for --dataset_mode flickr. The 41,000 landscapes of the paper were never published.
#
#   bash scripts/download_flickr.sh LIST [DIR] [--base_url URL]
#
# LIST              text file with one photo a line: its address, or its id or page on Flickr; then, after a tab, author
#                   and license, which are kept in DIR/attribution.tsv. Ids and pages need a key of Flickr's API in the
#                   environment variable FLICKR_API_KEY.
# DIR               where to write (default: datasets/flickr); the photos come to DIR/photos
# --base_url URL    address of Flickr's API
#
# One photo a second. What is gone is listed in DIR/skipped.txt. The same command goes on after an interruption.
# Photos belong to their photographers: keep to the license of each, and keep attribution.tsv with them.
set -euo pipefail
source "$(dirname "$0")/download.sh"
parse_arguments "$@"
[ ${#positional[@]} -ge 1 ] || fail "name a text file with one photo a line; --help shows how"
[ ${#positional[@]} -le 2 ] || fail "one list and one folder, please; --help shows how"
list=$(absolute "${positional[0]}")
[ ${#positional[@]} -eq 1 ] || folder=$(absolute "${positional[1]}")
enter_repository
: "${folder:=$PWD/datasets/flickr}"

python -m scripts.download photos "$list" "$folder" ${base_url:+--base_url "$base_url"}

if [ -d "$folder/train_label" ]; then
    rm -f "$folder/.download/checked" # photos may have come or gone
    check flickr
    exit
fi
cat <<END

Next, label the photos with a segmentation network that was trained on COCO-Stuff (ids 0..181); --help tells more:
    python -m scripts.prepare label_photos '$folder/photos' '$folder/labels' --network torchscript --weights FILE
Then keep some pairs (the paper: 1,000) for validation:
    cd '$folder' && mv photos train_img && mv labels train_label && mkdir -p val_img val_label
    ls train_label | shuf -n 1000 | while read -r name; do
        mv "train_label/\$name" val_label/ && mv "train_img/\${name%.*}."* val_img/
    done
and check the result, in the repository:
    python -m scripts.prepare check --dataset_mode flickr --dataroot '$folder'
END
