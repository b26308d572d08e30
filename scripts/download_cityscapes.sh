#!/usr/bin/env bash
# Get Cityscapes for --dataset_mode cityscapes: 2,975 training and 500 validation photos, 2048x1024, with label and
# instance maps.
#
#   bash scripts/download_cityscapes.sh [DIR] [--keep_archives]
#
# DIR               where to write (default: datasets/cityscapes)
# --keep_archives   do not delete the archives in DIR/.download when they are unpacked
#
# About 12 GB to download and 23 GB free while the photos are unpacked. The same command goes on after an interruption.
# Needs an account of your own (free for research): https://www.cityscapes-dataset.com/register/. The archives come
# through csDownload of the package cityscapesscripts, which asks for user name and password, or reads
# ~/.local/share/cityscapesscripts/credentials.json, which it offers to write.
set -euo pipefail
source "$(dirname "$0")/download.sh"
parse_arguments "$@"
[ ${#positional[@]} -le 1 ] || fail "one folder, please; --help shows how"
[ -z "$base_url" ] || fail "--base_url: csDownload knows no mirrors"
[ ${#positional[@]} -eq 0 ] || folder=$(absolute "${positional[0]}")
enter_repository
: "${folder:=$PWD/datasets/cityscapes}"
archives=$folder/.download
parts=$archives/part
credentials=${XDG_DATA_HOME:-$HOME/.local/share}/cityscapesscripts/credentials.json

size_of() {
    stat -c %s "$1" 2>/dev/null || echo 0
}

# The label tool's many dependencies are not needed to download.
prepare_csdownload() {
    [ -e "$credentials" ] || [ -t 0 ] || fail "Cityscapes needs your account: register at" \
        "https://www.cityscapes-dataset.com/register/, then run this in a terminal, where csDownload asks for user" \
        "name and password, or write {\"username\": \"...\", \"password\": \"...\"} to $credentials"
    command -v csDownload >/dev/null || { install appdirs requests && install --no-deps cityscapesscripts; }
}

# set_damaged_aside FILE: renames it to the first free one of FILE.damaged, FILE.damaged2, ...
set_damaged_aside() {
    local aside=$1.damaged number=1
    while [ -e "$aside" ] || [ -L "$aside" ]; do
        number=$((number + 1)) aside=$1.damaged$number
    done
    mv "$1" "$aside"
}

# csDownload writes to the final name at once and checks its MD5 sum at the end: a file leaves $parts only when it is
# whole.
download() {
    local name=$1 log=$parts/$1.log before resume restarted=""
    mkdir -p "$parts"
    while true; do
        before=$(size_of "$parts/$name") resume=()
        [ "$before" -eq 0 ] || resume=(--resume)
        if { csDownload "${resume[@]}" --destination_path "$parts" "$name" 2>&1 1>&3 | tee "$log" >&2; } 3>&1; then
            break
        elif grep -q "416 " "$log"; then
            break # nothing is left to send, so it is whole; unpacking checks every file
        elif grep -q "MD5 sum" "$log" && [ -z "$restarted" ]; then
            restarted=1
            set_damaged_aside "$parts/$name"
        elif grep -qi "credentials" "$log"; then
            fail "cityscapes-dataset.com does not accept user name and password"
        elif [ "$(size_of "$parts/$name")" -le "$before" ]; then
            fail "csDownload stopped (see above); the same command goes on from here"
        fi
        echo "$name: trying again" >&2
    done
    mv "$parts/$name" "$archives/$name"
    touch "$archives/$name.fetched"
}

for name in gtFine_trainvaltest.zip leftImg8bit_trainvaltest.zip; do
    [ -e "$archives/$name.done" ] || rm -f "$archives/checked"
    if [ ! -e "$archives/$name.done" ] && [ ! -e "$archives/$name" ]; then
        prepare_csdownload
        download "$name"
    fi
    unpack "$archives/$name" --unpack "$folder" .
done
check cityscapes
