"""Writes a file as one comment of a pull request, or updates the one that is there. Called by plan.sh.

The file's first line is a marker, by which the comment is found again: ours is the one that begins with it and that
this token's user wrote. Exit 1, and one line that says why, where it cannot be written. Standard library only.
"""

import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PAGES = 30
PAGE = 100
BOT = "github-actions[bot]"
"""Who writes with the token of a workflow; such a token may not ask who it is."""


def call(method: str, path: str, body: Any = None) -> Any:
    """What the API answers. Raises OSError, http.client.HTTPException, ValueError."""
    request = urllib.request.Request(  # noqa: S310 - the address is the runner's own
        os.environ.get("GITHUB_API_URL", "https://api.github.com") + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['PLAN_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
            "User-Agent": "reconciler-plan",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def me() -> str:
    """Who writes with this token."""
    try:
        return str(call("GET", "/user")["login"])
    except urllib.error.HTTPError:
        return BOT


def ours(comments: str, marker: str) -> int | None:
    """The id of the comment that was written before."""
    who = me()
    for page in range(1, PAGES + 1):
        found = call("GET", f"{comments}?per_page={PAGE}&page={page}")
        for comment in found:
            first = (comment["body"] or "").partition("\n")[0].rstrip("\r")
            if first == marker and comment["user"] and comment["user"]["login"] == who:
                return int(comment["id"])
        if len(found) < PAGE:
            break
    return None


def main(file: str) -> int:
    """Write the comment; 0, or 1 when it cannot be written."""
    body = Path(file).read_text("utf-8")
    issues = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    comments = f"{issues}/{int(os.environ['PLAN_NUMBER'])}/comments"
    try:
        known = ours(comments, body.partition("\n")[0])
        if known is None:
            call("POST", comments, {"body": body})
        else:
            call("PATCH", f"{issues}/comments/{known}", {"body": body})
    except urllib.error.HTTPError as error:
        why = "the token may not write comments" if error.code in (401, 403, 404) else f"the API answered {error.code}"
        print(f"no comment: {why}; the plan is in the job's summary", file=sys.stderr)
        return 1
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        print(f"no comment: {type(error).__name__}; the plan is in the job's summary", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
