#!/bin/sh
# What a container runs: `vicinal` with the arguments, or, without any, a server of every YAML in the working folder.
if [ $# -eq 0 ]; then
    set -- serve --host 0.0.0.0 --port 8000 *.yaml
fi
exec vicinal "$@"
