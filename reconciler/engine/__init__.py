"""THE RUN: what runs inside a run's own process, and the files by which it speaks. Standard library only.

A run directory, `<state>/runs/<run>/<attempt>/`, made by the daemon:

    order.json     what to do (order.py); written by the daemon before the launch
    started        the marker that one process wins, or nobody ever will; locked while that process lives (marker.py)
    journal.jsonl  the facts it reports (journal.py); long results and errors in result.json and error.json
    output         its stdout and stderr (output.py)
    exit           how its process ended, written by the template that reaped it (marker.py)
    work/          its private working copy
    prefect/       what Prefect keeps of a flow of its own

`entry.py` is the one file that is executed by path: as a template that forks runs, as the keeper of one run, or as the
run itself after a cold start.
"""
