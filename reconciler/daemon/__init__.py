"""The shell: reads, asks the core, appends, carries out."""
