"""A web page with the live graph of the services that run here.

=============  ===================================================================================
module         what it holds
=============  ===================================================================================
live_graph.py  reads what runs, when somebody wants to see it
figures.py     the texts of the picture, computed from two readings
pages.py       the answer for each path
page.html      the page, with `page.js`, `page.css` and its icon `page.svg`
=============  ===================================================================================
"""
