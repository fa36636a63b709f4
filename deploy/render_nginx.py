"""Renders nginx.conf for replicas at fixed addresses, without Docker's name server, as a file that nginx runs alone.

    vicinal serve faq.yaml --port 8001 & vicinal serve faq.yaml --port 8002 & vicinal serve faq.yaml --port 8003 &
    python deploy/render_nginx.py --listen 127.0.0.1:8080 127.0.0.1:8001 127.0.0.1:8002 127.0.0.1:8003 > nginx.conf
    nginx -p "$PWD" -c nginx.conf -e stderr

nginx stays in the foreground, needs no privileges, and keeps its files in the folder that ``-p`` names: ``access.log``
has for each request the replicas that were tried.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).with_name("nginx.conf")
MAIN = """\
# Written by deploy/render_nginx.py from nginx.conf.
{user}daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
log_format replicas escape=json '{{"method": "$request_method", "path": "$uri", "status": $status, '
    '"tried": "$upstream_addr", "statuses": "$upstream_status", "seconds": $request_time}}';
access_log access.log replicas;
client_body_temp_path temp_body;
proxy_temp_path temp_proxy;
fastcgi_temp_path temp_fastcgi;
scgi_temp_path temp_scgi;
uwsgi_temp_path temp_uwsgi;

{config}}}
"""
_RESOLVER = re.compile(r"^# Docker's own name server.*?^resolver .*?\n\n", re.M | re.S)
_SERVER = re.compile(r"^( *)server replica:8000 resolve (.*);$", re.M)
_LISTEN = re.compile(r"\blisten 80;")


def render(listen: str, replicas: Sequence[str]) -> str:
    """The configuration of an nginx at ``listen`` in front of ``replicas``, each an address with its port.

    Raises:
        ValueError: nginx.conf is not what this knows.
    """
    text = SOURCE.read_text(encoding="utf-8")
    servers = "\n".join(rf"\1server {replica} \2;" for replica in replicas)
    for pattern, new, count in ((_RESOLVER, "", 1), (_SERVER, servers, 2), (_LISTEN, f"listen {listen};", 1)):
        text, found = pattern.subn(new, text)
        if found != count:
            raise ValueError(f"{SOURCE} has {found} of {count} lines like {pattern.pattern!r}")
    # The workers of an nginx that root starts belong to nobody, who may not enter the folder.
    return MAIN.format(config=text, user="user root;\n" if os.geteuid() == 0 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="ADDRESS", help="where nginx listens")
    parser.add_argument("replicas", nargs="+", metavar="ADDRESS", help="where a replica listens, as 127.0.0.1:8001")
    options = parser.parse_args()
    sys.stdout.write(render(options.listen, options.replicas))


if __name__ == "__main__":
    main()
