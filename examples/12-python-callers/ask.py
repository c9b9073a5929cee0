"""Run a deployment and wait for its end: python ask.py Ada"""

import sys

from reconciler import run_deployment

run = run_deployment("hello/served", {"name": sys.argv[1]}, idempotency_key=f"greet-{sys.argv[1]}")
print(run.id, run.state_name, run.result())
