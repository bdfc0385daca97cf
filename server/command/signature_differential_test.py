"""Signature against ceph_argparse, over testdata/signatures.txt: every type and form."""

import os
import unittest

from signature_differential import HERE, Case, Differential

LISTS_PER_SIGNATURE = 80


class SignatureDifferentialTest(Differential):
    @classmethod
    def setUpClass(cls):
        with open(f"{HERE}/testdata/signatures.txt", encoding="utf-8") as lines:
            cls.cases = [
                Case(line) for line in lines.read().splitlines() if line and line[0] != "#"
            ]

    def test_usage(self):
        self.compare_usage()

    def test_words(self):
        accepted, refused, used = self.compare_words(LISTS_PER_SIGNATURE)
        self.assertGreater(accepted, 3000)
        self.assertGreater(refused, 1500)
        if "OUTPOST_TEST_SEED" not in os.environ:
            # An exception that never happens has no place in the list.
            self.assertEqual([e.__name__ for e, count in used.items() if not count], [])


if __name__ == "__main__":
    unittest.main()
