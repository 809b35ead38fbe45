"""How fast the package is, next to bare sockets and to other ways to run Python services.

``python -m benchmarks`` asks every question; ``python -m benchmarks rpc startup`` asks two of them.
Each question is one file that says what is measured, how, and what is to be reached: `rpc`,
`pipelined`, `pubsub`, `delta`, `state_read`, `state_size`, `lifecycle`, `startup`, `hops`.

How a figure comes about, so that it can be trusted on a machine that also does other things:

- Every side of every contender is a process of its own (`child`, `contender`). Services of ours are
  the plain service files in `services`, run by `Service` or the command line with default settings.
- A contender that is not being measured is stopped by SIGSTOP: one that spins while it waits would
  change the figures of the others.
- Contenders take turns, in short bursts, for several rounds (`rounds`). What is compared are two
  bursts of one round; what is shown is the median of these ratios and the quartiles around it.
- Rows that lose are shown like rows that win, and peers that are not installed are named.
"""
