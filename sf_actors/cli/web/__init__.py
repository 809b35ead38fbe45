"""A page with the live graph of what runs here.

===========  =====================================================================================
module       what it holds
===========  =====================================================================================
watch.py     what runs, as of a moment ago; read when somebody wants to see it
figures.py   the texts of a picture, made of two readings
pages.py     what is answered under each path
page.html    the page, with `page.js`, `page.css` and its icon `page.svg`
===========  =====================================================================================
"""
