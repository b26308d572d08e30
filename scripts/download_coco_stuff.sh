#!/usr/bin/env bash
# Get COCO-Stuff for --dataset_mode coco: 118,287 training and 5,000 validation photos with label and instance maps.
#
#   bash scripts/download_coco_stuff.sh [DIR] [--base_url URL] [--keep_archives]
#
# DIR               where to write (default: datasets/coco)
# --base_url URL    a mirror that has the four archives under their names
# --keep_archives   do not delete the archives in DIR/.download when they are unpacked
#
# About 20 GB to download and 45 GB free while the photos are unpacked. The same command goes on after an interruption.
# COCO's photos belong to their photographers on Flickr; annotations and COCO-Stuff are under CC BY 4.0.
set -euo pipefail
source "$(dirname "$0")/download.sh"
parse_arguments "$@"
[ ${#positional[@]} -le 1 ] || fail "one folder, please; --help shows how"
[ ${#positional[@]} -eq 0 ] || folder=$(absolute "${positional[0]}")
enter_repository
: "${folder:=$PWD/datasets/coco}"

# COCO publishes no checksums: sizes come from the server, and every unpacked file is checked against its archive.
get_archive http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip \
    --unpack "$folder/train_label" train2017 --unpack "$folder/val_label" val2017
get_archive http://images.cocodataset.org/annotations/annotations_trainval2017.zip \
    --unpack "$folder/.download/annotations" annotations
for split in val train; do
    get_archive "http://images.cocodataset.org/zips/${split}2017.zip" --unpack "$folder/${split}_img" "${split}2017"
done

python -c 'import pycocotools' 2>/dev/null || install pycocotools
for split in val train; do
    python -m scripts.prepare instances --annotations "$folder/.download/annotations/instances_${split}2017.json" \
        --label_dir "$folder/${split}_label" --output "$folder/${split}_inst"
done
check coco
