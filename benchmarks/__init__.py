"""Measures the speed of the package, next to bare sockets and to other ways to run Python services.

``python -m benchmarks`` asks every question; ``python -m benchmarks rpc startup`` asks two of them.
Each question has a module that says what is measured, how, and which targets there are
(`arguments.QUESTIONS` lists them).

How figures are measured, so that they can be trusted on a machine that is also busy otherwise:

- Each side of each contender is a process of its own (`child`, `contender`). Our own services are
  the plain service files in `services`, run by `Service` or the command line with default settings.
- A contender that is not being measured is stopped by SIGSTOP: one that spins while it waits would
  change the figures of the others.
- Contenders take turns, in short bursts, for several rounds (`rounds`). Ratios compare two bursts
  of the same round; tables show the median of these ratios and the quartiles.
- Rows that lose are shown like rows that win, and peers that are not installed are named.
"""
