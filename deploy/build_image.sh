#!/bin/sh
# Builds the image without Docker, by Debian's buildah, as root: EXTRAS=all deploy/build_image.sh
#
#   EXTRAS         which encoders the image has: all, or molecule, or image,video …: localhost/vicinal:EXTRAS
#   PYTHON         the tag of Docker Hub's image python; empty: a base image made of Debian's packages, without a registry
#   BUILD_OPTIONS  more options of `buildah bud`, "-v /a/folder/of/wheels:/a/folder/of/wheels:ro" say
#   MILVUS=1       also builds localhost/vicinal-milvus, the Milvus server that deploy/try_image.py takes
set -eu
cd "$(dirname "$0")/.."
EXTRAS=${EXTRAS:-all}
export STORAGE_DRIVER="${STORAGE_DRIVER:-overlay}"

# This machine's certificates and its configuration of pip and apt: mounted during the build, and not in the image.
for file in /etc/ssl/certs /etc/pip.conf /etc/apt/apt.conf.d; do
    if [ -e "$file" ]; then BUILD_OPTIONS="-v $file:$file:ro ${BUILD_OPTIONS:-}"; fi
done

if [ -z "${PYTHON:-}" ]; then
    PYTHON=3.11-debian-bookworm
    BUILD_OPTIONS="--pull-never $BUILD_OPTIONS"
    if ! buildah inspect --type image "localhost/python:$PYTHON" > /dev/null 2>&1; then
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        # With apt's own sources, so that the packages come from the mirror that this machine has.
        find /etc/apt -name '*.list' -o -name '*.sources' | xargs mmdebstrap --quiet --variant=minbase \
            --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$work/base.tar"
        container=$(buildah from scratch)
        buildah add --quiet "$container" "$work/base.tar" / > /dev/null
        # As in the image of Docker Hub, the command is `python`, and pip may install.
        buildah run --isolation chroot "$container" sh -c \
            'ln -s python3 /usr/bin/python; rm -f /usr/lib/python3*/EXTERNALLY-MANAGED'
        buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python3 "$container"
        buildah commit --quiet --rm "$container" "localhost/python:$PYTHON" > /dev/null
        echo "made localhost/python:$PYTHON of Debian's packages"
    fi
fi

# Docker's format, since OCI's has no health check; without a kernel's namespaces, so that it works in a container, too.
build() {
    # shellcheck disable=SC2086  # several options in one variable
    buildah bud --format docker --layers --isolation chroot --network host $BUILD_OPTIONS --build-arg PYTHON="$PYTHON" "$@" .
}

build --build-arg EXTRAS="$EXTRAS" ${TORCH_INDEX:+--build-arg TORCH_INDEX="$TORCH_INDEX"} \
    --tag "localhost/vicinal:$(echo "$EXTRAS" | tr , -)"
if [ "${MILVUS:-}" = 1 ]; then
    build --file deploy/milvus-standin.Dockerfile --tag localhost/vicinal-milvus
fi
