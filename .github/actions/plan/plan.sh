#!/usr/bin/env bash
# Plans a pull request, annotates its lines and writes one comment. Called by action.yml, which sets PLAN_*.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd -- "$PLAN_DIRECTORY"

fetch() {
  git fetch --quiet --no-tags "$@" ||
    echo "::warning title=reconciler plan::git fetch failed; check out with fetch-depth 0"
}
# The commit that a revision names, fetched where it is not here.
commit() {
  git rev-parse --quiet --verify --end-of-options "$1^{commit}" && return
  fetch --end-of-options origin "$1" >&2
  git rev-parse --quiet --verify --end-of-options "$1^{commit}" || git rev-parse --verify 'FETCH_HEAD^{commit}'
}
# Versions are read off the history: a shallow clone has none.
if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
  fetch --unshallow origin
fi
span=$(commit "$PLAN_HEAD")
case "$PLAN_BASE" in
  '' | 0000000000000000000000000000000000000000) ;; # the first push of a branch has nothing before it
  *) span="$(commit "$PLAN_BASE")...$span" ;;
esac

# A git_clone of the branch that this goes into is of what it brings.
[ -z "${PLAN_BRANCH:-}" ] || export RECONCILER_BRANCH="$PLAN_BRANCH"
[ -z "$PLAN_SPECS" ] || export RECONCILER_SPECS="$PLAN_SPECS"
[ -z "$PLAN_ENV" ] || export RECONCILER_ENV="$PLAN_ENV"
export RECONCILER_ALLOW_OWNER=true # a plan runs nothing of the repository, whoever checked it out

# 3 is drift: a pull request that changes something. 1 is a problem or a refusal, 2 a wrong call.
markdown=$(mktemp "${RUNNER_TEMP:-/tmp}/reconciler-plan.XXXXXX")
code=0
reconciler plan --format github --markdown-file "$markdown" "$span" || code=$?
printf '%s\n' "exit-code=$code" "markdown-file=$markdown" >>"$GITHUB_OUTPUT"

# Nowhere to write the comment, or no permission, as for forks: the job's summary holds it.
if [ "$PLAN_COMMENT" != true ] || [ -z "$PLAN_NUMBER" ] || ! python3 -I "$here/comment.py" "$markdown"; then
  cat -- "$markdown" >>"$GITHUB_STEP_SUMMARY"
fi
[ "$code" = 3 ] || exit "$code"
