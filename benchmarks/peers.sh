#!/usr/bin/env bash
# Give a peer an environment of its own, as its pins conflict with ours: benchmarks/peers.sh NAME
# Environments go to $GRAPHTUNE_PEERS, or benchmarks/.peers.
set -euo pipefail
name=${1:?usage: benchmarks/peers.sh pecanpy|fastnode2vec|grape|pykeen|torchkge|implicit|torchmetrics}
constraints=$(dirname "$0")/../constraints.txt  # torch, numpy and pandas as we have them
case $name in
    pecanpy) pins=(pecanpy==2.0.9) ;;
    fastnode2vec) pins=(fastnode2vec==0.0.7) ;;
    grape) pins=(grape==0.2.5) ;;
    pykeen) pins=(-c "$constraints" pykeen==1.11.1) ;;
    torchkge) pins=(-c "$constraints" torchkge==0.17.7) ;;
    implicit) pins=(implicit==0.7.3) ;;
    torchmetrics) pins=(-c "$constraints" torchmetrics==1.9.0) ;;
    *) echo "benchmarks/peers.sh: no peer named '$name': pecanpy, fastnode2vec, grape, pykeen, torchkge, implicit or torchmetrics" >&2; exit 2 ;;
esac
home=${GRAPHTUNE_PEERS:-$(dirname "$0")/.peers}/$name
python3 -m venv "$home"
"$home/bin/pip" install --quiet "${pins[@]}"
echo "$name is ready in $home"
