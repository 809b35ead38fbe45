"""The demonstration: a small market of four services, each a file that can be read and run alone.

`fleet.toml` makes a fleet of `exchange.py`, `book_keeper.py`, `trader.py` and `screen.py`;
`market.show` runs it in one process. `addresses.json` has addresses for each of them alone.
"""
