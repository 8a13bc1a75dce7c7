"""`emsync analyse --report`: what was seen in a film, as a page or a picture for somebody who never saw emsync.

thumbnails.py   small JPEGs, kept while the film is watched
contents.py     what both forms show, and how numbers are written
charts.py       the charts as SVG
page.py         one HTML page with everything in it; its looks are in page.css
picture.py      the charts as a PNG; needs matplotlib
file.py         the suffix of the file chooses
"""
