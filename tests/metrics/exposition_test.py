"""That exposition.py sees what is wrong with a page."""
import unittest

from exposition import Page, Wrong

GOOD = """\
# HELP a_total Things.
# TYPE a_total counter
a_total{pool="x",why="a \\"quoted\\" word"} 3
a_total{pool="y",why=""} 1e+06
# HELP b Now.
# TYPE b gauge
b -1.5
# HELP c_seconds Time.
# TYPE c_seconds histogram
c_seconds_count 3
c_seconds_sum 0.5
c_seconds_bucket{le="0.1"} 1
c_seconds_bucket{le="1"} 3
c_seconds_bucket{le="+Inf"} 3
"""


class ExpositionTest(unittest.TestCase):
    def test_a_good_page_is_read(self):
        page = Page(GOOD)
        self.assertEqual(page.value("a_total", pool="x",
                                    why='a \\"quoted\\" word'), 3)
        self.assertEqual(page.value("b"), -1.5)
        self.assertEqual(page.value("c_seconds_sum"), 0.5)
        self.assertEqual(page.buckets("c_seconds")[:2], [(0.1, 1), (1, 3)])
        self.assertEqual(len(list(page.counters())), 7)

    def test_what_is_wrong_is_seen(self):
        for old, new in (
                ("3\n", "three\n"), ("\nb -1.5\n", "\nb  -1.5\n"),
                ("\nb -1.5\n", "\nb -1.5\nb -1.5\n"), ("\nb -1.5\n", "\n\nb -1.5\n"),
                ("\nb -1.5\n", "\nd -1.5\n"), ("\nb -1.5\n", "\n"),
                ("a_total{", "a{"), ("a_total", "a"), ("why=\"\"", "why=\"\"\""),
                ('pool="y"', '9="y"'), ('why=""', 'pool=""'),
                ("# HELP b Now.\n", ""), ("# TYPE b gauge\n", ""),
                ("gauge", "gauges"), ("# TYPE b", "# TYPE x"),
                ("a_total{pool=\"y\",why=\"\"} 1e+06", "a_total -1"),
                ('c_seconds_bucket{le="+Inf"} 3\n', ""), ("c_seconds", "c"),
                ('le="+Inf"} 3', 'le="+Inf"} 4'), ('le="0.1"} 1', 'le="0.1"} 4'),
                ("c_seconds_count 3\n", ""), ("c_seconds_sum 0.5\n", ""),
                ('c_seconds_bucket{le="1"}', 'c_seconds_bucket{le="1",x="y"}'),
                ('{le="+Inf"} 3\n', '{le="+Inf"} 3')):
            with self.subTest(new=new):
                self.assertIn(old, GOOD)
                with self.assertRaises(Wrong):
                    Page(GOOD.replace(old, new))
        with self.assertRaises(Wrong):
            Page(GOOD + GOOD)


if __name__ == "__main__":
    unittest.main(argv=["exposition_test"])
