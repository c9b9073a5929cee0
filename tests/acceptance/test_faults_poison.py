"""A file, or a run, that kills the daemon twice in a row is left out and named; all others go on."""

import signal

from helpers_acceptance import ask, specs
from helpers_daemon import Daemon, until
from helpers_faults import FLOWS, Armed, Doomed, Site, Survivor

MARK = "p0ison"


def plan(site: Site) -> dict:
    return {"poison": MARK, "deaths": str(site.root / "deaths")}


def dies(site: Site, times: int) -> None:
    """That many daemons in a row die of it."""
    for _ in range(times):
        with Doomed(site, plan(site)) as daemon:
            assert daemon.died() == -signal.SIGKILL


def test_a_spec_and_a_code_file_that_kill_their_reader_are_left_out_until_they_change(tmp_path):
    site = Site(tmp_path, tick=False)
    bad = {"name": "bad", "entrypoint": "g.py:main", "tags": [MARK]}
    site.repo.commit({"specs/b.yaml": specs({**bad, "tags": []}), "g.py": "def main():\n    return 1\n"})
    with Daemon(site.repo):
        pass
    broken = site.repo.commit({"specs/b.yaml": specs(bad), "f.py": FLOWS + "\n# newer\n"})
    dies(site, 2)
    with Armed(site, plan(site)) as daemon:
        daemon.applied(broken)
        (event,) = [e for e in site.events() if e.type == "SpecIsolated"]
        assert (event.data["file"], event.data["blob"]) == ("specs/b.yaml", site.repo.head("HEAD:specs/b.yaml"))
        assert "specs/b.yaml" in daemon.output.read_text()
        rows = {row["deployment"]: row for row in ask(site.path, "status")}
        assert rows["main/bad"]["health"] == "Invalid", rows
        (problem,) = ask(site.path, "show", "main/bad")["problems"]
        assert "died twice while reading these bytes" in problem["message"]
        assert site.run("others go on")
        site.idle()

        # The same bytes stay out over a restart and other commits; other bytes are tried again.
        daemon.stop(signal.SIGKILL)
    with Armed(site, plan(site)) as daemon:
        daemon.applied(site.repo.commit({"note": "x"}))
        daemon.applied(site.repo.commit({"specs/b.yaml": specs({**bad, "tags": ["mended"]})}))
        assert {row["health"] for row in ask(site.path, "status")} == {"Healthy"}
        site.repo.commit({"g.py": f"# {MARK}\ndef main():\n    return 2\n"})
        assert daemon.died() == -signal.SIGKILL
    dies(site, 1)
    with Armed(site, plan(site)) as daemon:
        daemon.applied(site.repo.head())
        assert [e.data["file"] for e in site.events() if e.type == "SpecIsolated"] == ["specs/b.yaml", "g.py"]
        (problem,) = ask(site.path, "show", "main/bad")["problems"]
        assert "g.py" in problem["message"]
        daemon.applied(site.repo.commit({"g.py": "def main():\n    return 3\n"}))
        assert {row["health"] for row in ask(site.path, "status")} == {"Healthy"}
        site.judge()
        assert daemon.stop() == 0
    assert (tmp_path / "deaths").read_text() == "xxxx"
    site.nobody()


def test_a_run_that_kills_who_handles_it_is_crashed_and_the_others_go_on(tmp_path):
    site = Site(tmp_path, tick=False)
    bad = {"name": "bad", "entrypoint": "g.py:main"}
    code = "import subprocess\ndef main():\n    subprocess.Popen(['sleep', '600'])\n    return 'p0' + 'ison'\n"
    site.repo.commit({"specs/b.yaml": specs(bad), "g.py": code})
    with Doomed(site, plan(site)) as daemon:
        until(lambda: site.run("before"))
        run = site.ask("run", deployment="main/bad", key="k")["run"]
        assert daemon.died() == -signal.SIGKILL
    dies(site, 1)
    with Armed(site, plan(site)) as daemon:
        told = ask(site.path, "show", run)
        assert (told["state"], told["reason"]) == (
            "Crashed", "the daemon died twice while handling what this run wrote; it is looked at no more",
        )  # fmt: skip
        until(lambda: site.run("after"))
        site.idle()
        site.judge()
        assert daemon.stop() == 0
    assert (tmp_path / "deaths").read_text() == "xx"
    site.nobody()


def test_deaths_that_other_things_caused_isolate_nothing(tmp_path):
    """Two kills in the middle of the same file, with a start between them that read it."""
    site = Site(tmp_path, tick=False)
    marked = {"specs/b.yaml": specs({"name": "bad", "entrypoint": "f.py:witness", "tags": [MARK]})}
    site.repo.commit(marked)
    for _ in range(2):
        dies(site, 1)
        with Survivor(site.repo) as daemon:
            site.repo.commit(marked | {"x": str(_)})
            until(lambda: "witness/bad" in {row["deployment"] for row in ask(site.path, "status")})
            daemon.stop(signal.SIGKILL)
        site.repo.commit({"specs/b.yaml": specs({"name": "bad", "entrypoint": "f.py:witness"})})
        with Survivor(site.repo) as daemon:
            daemon.applied(site.repo.head())
            daemon.stop(signal.SIGKILL)
        site.repo.commit(marked)
    assert not [e for e in site.events() if e.type == "SpecIsolated"]
