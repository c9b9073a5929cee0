"""A flow, and a script that calls it: python hello.py Ada"""

import sys

from reconciler import flow


@flow
def hello(name: str = "world") -> str:
    return f"Hello, {name}!"


if __name__ == "__main__":
    print(hello(*sys.argv[1:]))
