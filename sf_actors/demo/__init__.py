"""The demonstration: a small market of four services, each a file that can be read and run alone.

`market.show` runs all four in one process. The service files are `exchange.py`, `book_keeper.py`,
`trader.py` and `screen.py`; `addresses.json` has the addresses of all.
"""
