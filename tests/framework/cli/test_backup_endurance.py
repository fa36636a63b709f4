"""Backups that are killed, of a solution that is written all the time, and restores that are killed, too."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serve_process import make_plugin_environment
from vicinal import Solution
from vicinal.solution.backup_target import BackupTarget

SCRIPT = Path(sys.executable).with_name("vicinal")
FIRST, ALL = 3_000, 5_000
YAML = """
name: {name}
source: {{type: table, path: items.csv, key: key, content: text}}
encoder: {{type: words, pause: 0.1, batch_size: 50}}
index: FLAT
"""
OLD = {f"k{number}": f"text {number}" for number in range(FIRST)}
NEW = {f"k{number}": f"text {number}" + " changed" * (number % 3) for number in range(ALL)}


class Terminal:
    def __init__(self, folder):
        self.folder = folder
        self.environment = make_plugin_environment(folder, {})

    def start(self, *arguments):
        command = [SCRIPT, *map(str, arguments)]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=-1, stderr=-1, text=True)

    def run(self, *arguments):
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return json.loads(out)

    def kill(self, seconds, *arguments):
        """Run a command and kill it after so many seconds; says whether it was still running."""
        process = self.start(*arguments)
        time.sleep(seconds)
        process.kill()
        process.communicate()
        return process.returncode != 0


def write_items(folder, items):
    (folder / "items.csv").write_text("key,text\n" + "".join(f"{key},{text}\n" for key, text in items.items()))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_backups_and_restores_that_are_killed(tmp_path, manager, milvus_server, redis_url):
    stores = f"stores: {{milvus: '{milvus_server}', redis: '{redis_url}'}}\n"
    (tmp_path / "home.yaml").write_text(YAML.format(name="home") + stores)
    write_items(tmp_path, OLD)
    chance, terminal = random.Random(19), Terminal(tmp_path)
    with Solution.from_yaml(tmp_path / "home.yaml", manager=manager) as home:
        home.ingest()
        write_items(tmp_path, NEW)
        run = terminal.start("ingest", "home.yaml")
        killed = 0
        while run.poll() is None:
            killed += terminal.kill(chance.uniform(1, 3), "backup", "home.yaml", "--to", "backups")
            terminal.run("backup", "home.yaml", "--to", "backups")
        _, err = run.communicate()
        assert (run.returncode, killed > 0) == (0, True), err
        folders = BackupTarget(str(tmp_path / "backups")).list_backups("home")
        assert len(folders) <= len(list((tmp_path / "backups" / "home").iterdir()))
        assert len({folder.read_manifest().items for folder in folders}) > 1  # they were taken at different moments
        for number, folder in enumerate(folders[:3]):
            restore_and_compare(tmp_path, manager, terminal, home, folder, f"away{number}", chance)
        home.drop()


def restore_and_compare(tmp_path, manager, terminal, home, folder, name, chance):
    """Restore a backup to embedded stores, and have an ingest add what it does not have."""
    (tmp_path / f"{name}.yaml").write_text(YAML.format(name=name))
    command = ("restore", f"{name}.yaml", "--from", folder.path, "--replace")  # one may end before it is killed
    for _ in range(2):
        terminal.kill(chance.uniform(1, 3), *command)
    restored = terminal.run(*command)
    manifest = folder.read_manifest()
    assert (restored["items"], restored["rows"], restored["consistent"]) == (manifest.items, manifest.rows, True)
    assert terminal.run("check", f"{name}.yaml")["consistent"]
    with Solution.from_yaml(tmp_path / f"{name}.yaml", manager=manager) as away:
        texts = {record.key: record.content for part in away.metadata.iter_records() for record in part.values()}
        assert set(texts) >= set(OLD)
        assert all(text in (OLD.get(key), NEW[key]) for key, text in texts.items())
        changed = sum(texts.get(key) != text for key, text in NEW.items())
        report = away.ingest()
        assert (report.new + report.updated, report.unchanged) == (changed, ALL - changed)
        for key in ("k0", "k1", "k2", f"k{ALL - 1}"):
            assert describe(away.search(f"@{key}", limit=20)) == describe(home.search(f"@{key}", limit=20))


def describe(hits):
    return sorted(
        (round(hit.similarity, 5), hit.content) for hit in hits if hit.similarity > hits[-1].similarity + 1e-4
    )
