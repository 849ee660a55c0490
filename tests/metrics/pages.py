"""Reading the page of a host-sim that a test has started."""
import re
import urllib.request

from exposition import Page

METRICS = 'Metrics { Address = "127.0.0.1:0" }'
ADDRESS = re.compile(r"metrics: on (http://127\.0\.0\.1:\d+/metrics)")


def address_in(log):
    return next(found.group(1) for found in map(ADDRESS.search, log) if found)


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return Page(answer.read().decode("utf-8"))


def fetch_when(url, ready):
    """The first page of which ready(page) holds: the test's timeout is the limit."""
    while True:
        page = fetch(url)
        if ready(page):
            return page
