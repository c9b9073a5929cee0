"""Take the runs of a deployment in this interpreter, with its packages and environment: python serve.py"""

from hello import hello

if __name__ == "__main__":
    hello.serve("served", limit=2)
