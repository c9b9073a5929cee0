"""The `plan` verb: against nothing, against a log, between revisions; its JSON, its text and its exit codes."""

import json

import pytest
from click.testing import CliRunner

from reconciler.cli import cli
from reconciler.daemon import state_dir, wiring
from reconciler.daemon.config import Settings

FLOW = "def hello(name: str = 'x'):\n    '''Say hello.'''\n"


@pytest.fixture
def serve(verbs):
    """Reconcile once, in this process."""

    def once(**settings):
        state = state_dir.prepare(verbs.path / ".git/reconciler", allow_network_fs=False)
        daemon = wiring.build(verbs.path, state, Settings(**settings))
        daemon.start()
        daemon.stop_when_idle()
        daemon.run()

    return once


@pytest.fixture
def first(verbs, spec):
    return verbs.repo.commit({"flows/f.py": FLOW, "specs/a.yaml": spec()}, "first")


def test_without_a_log_all_is_a_create(verbs, first):
    plan = verbs.json("plan")
    keys = ["revision", "base", "refused", "moved", "changes", "pools", "problems", "notes"]
    assert list(plan) == [*keys, "env", "known", "versions", "slots", "slots_more", "in_flight", "hints"]
    assert (plan["revision"], plan["base"], plan["refused"]) == (first, None, None)
    (change,) = plan["changes"]
    assert list(change) == ["action", "deployment", "version", "source_commit", "reason", "diff"]
    assert (change["action"], change["deployment"], change["source_commit"]) == ("create", "hello/main", first)
    assert verbs("plan").exit_code == 3


def test_against_the_log_it_shows_the_difference(verbs, first, spec, serve):
    serve()
    done = verbs("plan")
    assert (done.exit_code, done.stdout) == (
        0,
        f"revision {first[:8]} against {first[:8]} (applied): nothing to do, in sync\n",
    )
    second = verbs.repo.commit({"specs/a.yaml": spec(tags="x"), "specs/b.yaml": spec(name="two")}, "second")
    plan = verbs.json("plan")
    assert [(c["action"], c["deployment"]) for c in plan["changes"]] == [
        ("create", "hello/two"),
        ("update", "hello/main"),
    ]
    assert plan["changes"][1]["diff"] == [{"field": "tags", "from": [], "to": ["x"]}]
    assert (plan["base"], plan["revision"]) == (first, second)
    done = verbs("plan")
    assert done.exit_code == 3
    assert '    tags: [] → ["x"]\n' in done.stdout
    assert verbs("plan", first).exit_code == 0
    assert verbs.json("plan", "HEAD~1")["revision"] == first


def test_a_moved_version_alone_is_drift_told_with_its_commits(verbs, first, serve):
    serve()
    second = verbs.repo.commit({"README": "x"}, "words \x1b[31m")
    assert verbs.json("plan")["moved"]["deployments"] == ["hello/main"]
    done = verbs("plan")
    assert done.exit_code == 3
    assert f"{second[:8]} 2023-11-14 Ada Lovelace: words ?[31m" in done.stdout


def test_between_revisions_no_log_is_needed(verbs, first, spec):
    second = verbs.repo.commit({"specs/a.yaml": spec(tags="x")})
    plan = verbs.json("plan", f"{first[:10]}..HEAD")
    assert (plan["base"], plan["revision"]) == (first, second)
    assert [(c["action"], [d["field"] for d in c["diff"]]) for c in plan["changes"]] == [("update", ["tags"])]
    assert verbs.json("plan", "HEAD..HEAD~1")["changes"][0]["diff"][0]["to"] == []
    assert verbs("plan", "HEAD..").exit_code == 0


def test_problems_are_exit_1_and_located(verbs, first, spec, serve):
    serve()
    verbs.repo.commit({"specs/a.yaml": spec(entrypoint="flows/f.py:gone")})
    plan = verbs.json("plan")
    (problem,) = plan["problems"]
    assert list(problem) == ["file", "line", "column", "key", "message"]
    assert (problem["file"], problem["line"], problem["key"]) == ("specs/a.yaml", 2, "deployments[0].entrypoint")
    done = verbs("plan")
    assert done.exit_code == 1
    assert "problem specs/a.yaml:2:" in done.stdout
    assert "held back" in done.stdout


def test_a_refused_prune_is_exit_1_and_says_what_to_do(verbs, first, serve):
    serve()
    head = verbs.repo.commit({"specs/a.yaml": None})
    done = verbs("plan")
    assert done.exit_code == 1
    assert f"reconciler confirm {head[:12]} --reason" in done.stdout
    assert verbs.json("plan")["refused"]["prunes"] == ["hello/main"]


def test_it_reads_where_the_daemon_was_told_to(verbs, spec, serve):
    verbs.repo.commit({"flows/f.py": FLOW, "deploy/a.yaml": spec()})
    serve(specs="deploy")
    assert verbs("plan").exit_code == 0


def test_specs_that_were_refused_for_a_twin_are_read_again(verbs, first, spec, serve):
    verbs.repo.commit({"specs/b.yaml": spec(), "specs/c.yaml": spec(name="other")})
    serve()
    verbs.repo.commit({"specs/b.yaml": None})
    assert [c["deployment"] for c in verbs.json("plan")["changes"]] == ["hello/main"]
    serve()
    assert [d["deployment"] for d in verbs.json("status")] == ["hello/main", "hello/other"]
    verbs.repo.commit({"specs/b.yaml": spec()})
    serve()
    verbs.repo.commit({"specs/b.yaml": None})
    serve()
    assert [d["health"] for d in verbs.json("status")] == ["Healthy", "Healthy"]


def test_another_repository_is_not_asked(verbs, first, spec):
    verbs.repo.git("remote", "add", "origin", "https://git.example.org/x/y.git")
    pull = "    pull: [{git_clone: {repository: 'https://git.example.org/a/b.git'}}]\n"
    verbs.repo.commit({"specs/b.yaml": f"deployments:\n  - name: x\n    entrypoint: f.py:f\n{pull}"})
    plan = verbs.json("plan")
    assert plan["problems"] == []
    assert "stays offline" in plan["notes"][0]["message"]


@pytest.mark.parametrize(
    ("words", "says"),
    [(["nope"], "'nope' is no branch"), (["-x"], "No such option"), (["a..b"], "'a' is no branch")],
)
def test_what_is_no_revision_is_refused(verbs, first, words, says):
    done = verbs("plan", *words)
    assert says in (done.stderr or str(done.exception))


def test_an_empty_repository_and_a_detached_head_say_what_to_do(verbs, spec):
    assert "branch 'main' has no commit" in str(verbs("plan").exception)
    verbs.repo.checkout(verbs.repo.commit({"specs/a.yaml": spec()}))
    assert "HEAD is detached" in str(verbs("plan").exception)


@pytest.fixture
def request_(verbs, first, spec):
    """A branch with one deployment more, and a main that moved meanwhile."""
    verbs.repo.branch("change")
    verbs.repo.commit({"specs/b.yaml": spec(name="two")}, "branch")
    verbs.repo.checkout("main")
    verbs.repo.commit({"specs/c.yaml": spec(name="three")}, "meanwhile")
    return verbs


def test_three_dots_begin_where_the_branch_began(request_, first):
    plan = request_.json("plan", "main...change")
    assert (plan["base"], [c["deployment"] for c in plan["changes"]]) == (first, ["hello/two"])
    assert [c["action"] for c in request_.json("plan", "main..change")["changes"]] == ["create", "prune"]
    request_.repo.git("checkout", "-q", "--orphan", "other")
    request_.repo.commit(message="another root")
    assert "no commit is here that both descend from" in str(request_("plan", "main...other").exception)


def test_every_format_says_the_same_plan(request_, tmp_path):
    said = {
        word: request_("plan", "main...change", "--format", word) for word in ("text", "json", "markdown", "github")
    }
    assert {done.exit_code for done in said.values()} == {3}
    assert said["json"].stdout == request_("plan", "main...change", "--json").stdout
    assert said["text"].stdout == request_("plan", "main...change").stdout
    assert all("hello/two" in done.stdout for done in said.values())
    both = request_("plan", "main...change", "--format", "github", "--markdown-file", str(tmp_path / "plan.md"))
    assert both.stdout == said["github"].stdout
    assert (tmp_path / "plan.md").read_text() == said["markdown"].stdout
    assert "--markdown-file: " in str(request_("plan", "--markdown-file", str(tmp_path)).exception)
    assert request_("plan", "--format", "xml").exit_code == 2


def test_the_environment_is_named_in_every_format(request_):
    request_.repo.commit({"specs/env/prod.yaml": "variables: {x: 1}\n"}, "Overlay")
    head = request_.repo.head()[:12]

    def said(*words):
        return request_("plan", "HEAD", "--env", "prod", *words).stdout

    assert said().startswith(f"revision {head[:8]} against nothing, environment prod: 2 to create")
    assert json.loads(said("--json"))["env"] == "prod"
    assert "::notice title=reconciler plan%2C prod::" in said("--format", "github")
    comment = said("--format", "markdown")
    assert comment.startswith("<!-- reconciler plan: specs. prod -->")
    assert f"`reconciler plan {head} --env prod`" in comment


def test_a_commit_before_the_overlay_is_shown_without_it_and_says_so(request_):
    before = request_.repo.head()
    request_.repo.commit({"specs/env/prod.yaml": "patches: [{patch: {tags: [prod]}}]\n"}, "Overlay")
    said = f"environment 'prod' came later than {before[:8]}: read without an overlay"
    old, new = (request_("show", "--at", at, "--env", "prod", "--json") for at in (before, "HEAD"))
    assert [n["message"] for n in json.loads(old.stdout)["notes"]] == [said]
    assert [[d["tags"] for d in json.loads(done.stdout)["deployments"]] for done in (old, new)] == [
        [[]] * 2,
        [["prod"]] * 2,
    ]
    one = request_("show", "hello/main", "--at", before, "--env", "prod")
    assert one.stdout.endswith(f"note {said}\n")
    assert "no specs/env/prd.yaml" in str(request_("show", "--at", before, "--env", "prd").exception)
    assert "--env is for --at REV" in str(request_("show", "hello/main", "--env", "prod").exception)


def test_a_comment_is_found_again_by_its_directory_and_environment(request_):
    def first_line(**env):
        words = ["-C", str(request_.path), "plan", "main...change", "--format", "markdown"]
        return CliRunner(env=env).invoke(cli, words).stdout.partition("\n")[0]

    assert first_line() == "<!-- reconciler plan: specs -->"
    assert first_line(RECONCILER_SPECS="deploy") == "<!-- reconciler plan: deploy -->"


def test_a_shallow_clone_says_what_is_not_known_and_what_to_fetch(request_, tmp_path):
    clone = type(request_)(tmp_path / "clone")
    clone.repo.git("fetch", "-q", "--depth", "1", f"file://{request_.path}", "main", "change:change")
    clone.repo.reset("FETCH_HEAD")
    for span in ("HEAD...change", "HEAD~1..change", "nope..HEAD"):
        assert "git fetch --unshallow" in str(clone("plan", span).exception)
    done = clone("plan", "HEAD..change")
    assert "+ create hello/two  version unknown (shallow): " in done.stdout
    assert "git fetch --unshallow" in done.stdout
    assert "unknown (shallow)" in clone("plan", "HEAD..change", "--format", "markdown").stdout
    assert (
        "::warning title=reconciler::some versions read unknown (shallow)"
        in clone("plan", "HEAD..change", "--format", "github").stdout
    )
    clone.repo.git("fetch", "-q", "--unshallow", f"file://{request_.path}", "main", "change:change")
    assert clone.json("plan", "HEAD...change")["hints"] == []


OF_MAIN = "deployments:\n  - {name: a, entrypoint: 'f.py:f', pull: [{git_clone: {repository: ., branch: main}}]}\n"


def test_a_clone_of_the_branch_that_a_pull_request_goes_into_is_of_what_it_brings(verbs, tmp_path):
    verbs.repo.commit({"f.py": "def f():\n    pass\n", "specs/a.yaml": OF_MAIN}, "first")
    verbs.repo.git("checkout", "-q", "-b", "side")
    second = verbs.repo.commit({"f.py": "def f(n: int = 1):\n    pass\n"}, "second")
    plans = {verbs("plan", "main..side", "--json").stdout, verbs("plan", "main...HEAD", "--json").stdout}
    verbs.repo.git("checkout", "-q", "main")
    verbs.repo.git("clone", "-q", "--branch", "side", str(verbs.path), str(tmp_path / "plain"))
    plain = lambda *words: CliRunner().invoke(cli, ["-C", str(tmp_path / "plain"), *words])  # noqa: E731 - a word
    plans |= {plain("plan", f"{span}..HEAD", "--json").stdout for span in ("origin/main", "HEAD~1", "HEAD^")}
    (plan,) = plans
    (change,) = json.loads(plan)["changes"]
    assert (change["source_commit"], change["reason"]) == (second, "parameter_openapi_schema changed in specs/a.yaml")
    (tmp_path / "plain/specs/a.yaml").write_text(OF_MAIN.replace("name: a,", "name: a, parameters: {n: 2},"))
    assert plain("validate").exit_code == 0


def test_a_branch_of_a_remote_that_is_not_here_is_answered_with_the_fetch(verbs, first):
    verbs.repo.git("remote", "add", "origin", str(verbs.path))
    done = verbs("plan", "origin/main..HEAD")
    assert done.exception.hint == "if origin has it: git fetch origin +refs/heads/main:refs/remotes/origin/main"
