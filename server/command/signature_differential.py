"""Signature against Ceph's own reader of command lines, ceph_argparse.

For every signature of a test, generated argument lists go through both. They must agree on whether
the arguments fit, on the typed values, and on the message; so must the usage lines. Where Outpost
differs on purpose, the difference is one of EXCEPTIONS below.
"""

import contextlib
import io
import json
import os
import random
import re
import subprocess
import sys
import unittest

try:
    import ceph_argparse
except ImportError as error:
    sys.exit(f"this test needs Debian's python3-ceph-argparse, which is not there: {error}")

HERE = "server/command"
SEED = 20231

WORDS = {
    "CephInt": ["0", "1", "5", "10", "11", "-1", "+3", " 7 ", "0x1f", "0X1F", "0b11", "0o17", "007", "00", "1_000",
                "1__0", "_1", "0x_f", "5.0", "1e3", "65535", "65536", "", "x", "-", "0x", "9223372036854775807",
                "9223372036854775808", "-9223372036854775808", "123456789012345678901234"],
    "CephFloat": ["0", "0.5", "1", "1.0", "1.5", "-1", "-1.5", "2.5", "2.6", ".5", "5.", ".", "1e3", "1e-7", "1E+16", "1e22",
                  "123456789012345680", "0.0001", "0.00001", "1_0.5", "1_.5", " 2 ", "0x10", "inf", "-inf", "nan",
                  "1e999", "abc", "", "1e", "+2.0"],
    "CephBool": ["true", "false", "True", "FALSE", "1", "0", "yes", "no", "", "truee"],
    "CephString": ["foo", "osd.0", "a b", "host-1", "a,b", "root=default", "a_b", "", "it's", 'say "hi"', "abc", "ghi",
                   "a-c", "7", "x\ty", "a'b\"c", "back\\slash", "Köln", "\x01", "any", "client.admin"],
    "CephPoolname": ["rbd", ".mgr", "a b", "", "pool-1", "*"],
    "CephObjectname": ["obj", "a/b", "", "rbd_data.1"],
    "CephPgid": ["1.0", "1.a", "12.1f", "a.1", "-1.0", "1.g", "1", "1.", ".1", "1.2.3", "", "1.0x1f", " 1.0", "1.-1"],
    "CephName": ["osd.0", "osd.*", "osd.x", "mon.a", "mon", "mgr", "mgr.x", "client.admin", "mds.a.b", "*", "foo.1", "osd",
                 "osd.", "", "osd.-1"],
    "CephOsdName": ["0", "osd.3", "3", "*", "any", "osd.x", "mon.1", "-1", "osd.-1", "osd.", "", "1.5", "0x1", "007",
                    "99999999999999999999"],
    "CephUUID": ["12345678-1234-5678-1234-567812345678", "{12345678123456781234567812345678}",
                 "urn:uuid:12345678-1234-5678-1234-567812345678", "1234", "", "zz345678-1234-5678-1234-567812345678"],
    "CephIPAddr": ["1.2.3.4", "1.2.3.4:6789", "1.2.3.4:99999", "1.2.3", "::1", "[::1]:6789", "[::1", "fe80::1:2", "v1:1.2.3.4",
                   "v1:1.2.3.4:6789", "any:1.2.3.4:0", "v2:::1", "localhost", "", "1.2.3.4:x", "[::1]", "v2:1.2.3.4:3300",
                   "[::1]:99999", "[::1]x", "1.2.3.4:-1", "::ffff:1.2.3.4"],
    "CephEntityAddr": ["1.2.3.4", "1.2.3.4:0/123", "1.2.3.4/5", "1.2.3.4/", "1.2.3.4/x", "1.2.3.4/-1", "1.2.3.4/1/2",
                       "[::1/5]:0", "[::1]:0/5", "v1:1.2.3.4:0/7", "v2:1.2.3.4:0/7", "::1/3", "x/1", ""],
    "CephFragment": ["0x1/2", "1/2", "0x1", "0x1/x", "0xg/2", "0x1/2/3", ""],
    "CephFilepath": ["/", "/dev/null", "/tmp", "/nonexistent/x", "relative", ""],
    "CephSocketpath": ["/", "/nonexistent.asok", ""],
}  # fmt: skip
ANY_WORDS = [
    "zzz", "5", "0.5", "true", "", "--", "---", "--nosuch", "--nosuch=1", "--=x", "-n", "-x=1", "--force",
    "--yes-i-really-mean-it", "--yes-i-really-really-mean-it-not-faking", "--show-shadow", "1,2", "x,y", "x,bad",
    "red", "osd.1,2", "true,false",
]  # fmt: skip


class Parameter:
    """One parameter descriptor, as text and as ceph_argparse takes it."""

    def __init__(self, text):
        parts = [part.partition("=") for part in text.split(",") if part]
        self.keys = {key: value if equals else True for key, equals, value in parts}
        self.name = self.keys["name"]
        self.type = self.keys["type"]
        self.many = self.keys.get("n", "1") == "N"

    def word(self, rng):
        words = (
            self.keys["strings"].split("|") + ["bad"]
            if self.type == "CephChoices"
            else WORDS[self.type]
        )
        # The first words of each list are good ones.
        word = rng.choice(words[:3] if rng.random() < 0.6 else words)
        if self.many and rng.random() < 0.2:
            word += "," + rng.choice(words)
        return word


class Case:
    def __init__(self, text):
        self.text = text
        pieces = text.split(" ")
        self.words = [piece for piece in pieces if "=" not in piece]
        self.parameters = [Parameter(piece) for piece in pieces if "=" in piece]
        self.descs = ceph_argparse.parse_funcsig(
            self.words + [dict(p.keys) for p in self.parameters]
        )

    def arguments(self, rng):
        """Words for the parameters in order, some by name, some missing, some wrong."""
        groups = []
        for parameter in self.parameters:
            if rng.random() < (0.35 if parameter.keys.get("req") == "false" else 0.1):
                continue
            for _ in range(
                rng.choice([1, 1, 2, 3]) if parameter.many else int(parameter.keys.get("n", "1"))
            ):
                groups.append(self._group(parameter, rng))
        while rng.random() < 0.3:
            extra = [rng.choice(ANY_WORDS)]
            if self.parameters and rng.random() < 0.5:
                extra = self._group(rng.choice(self.parameters), rng)
            groups.insert(rng.randrange(len(groups) + 1), extra)
        if rng.random() < 0.1:
            rng.shuffle(groups)
        words = [word for group in groups for word in group]
        if words and rng.random() < 0.1:
            words.pop(rng.randrange(len(words)))
        return words

    def _group(self, parameter, rng):
        word = parameter.word(rng)
        if parameter.type == "CephBool" and rng.random() < 0.7:
            word = None
        elif rng.random() < 0.7:
            return [word]
        name = "--" + (parameter.name.replace("_", "-") if rng.random() < 0.5 else parameter.name)
        if word is None:
            return [name]
        return [f"{name}={word}"] if rng.random() < 0.5 else [name, word]


class CrashError(Exception):
    """ceph_argparse failed in a way that it does not mean to."""


def ceph_says(case, args):
    """(ok, values or message)."""
    noise = io.StringIO()
    try:
        with contextlib.redirect_stderr(noise):
            values = ceph_argparse.validate(case.words + args, case.descs)
    except ceph_argparse.ArgumentError as error:
        return False, f"{noise.getvalue()}Invalid command: {error}"
    except Exception as error:
        raise CrashError(repr(error)) from error
    values.pop("prefix")
    return True, values


def comparable(message):
    """The message without what Ceph leaves to chance or to Python."""
    message = re.sub(
        r"invalid chars (.*) in ",
        lambda m: f"invalid chars {''.join(sorted(m.group(1)))} in ",
        message,
        flags=re.S,
    )
    return re.sub(
        r"(invalid UUID .*): (invalid literal.*|not hexadecimal)", r"\1: not hex", message
    )


def has_type(case, *types):
    return any(parameter.type in types for parameter in case.parameters)


def mentions(args, words):
    return any(part in words for arg in args for part in re.split("[=,]", arg))


# What Ceph's reader does with these is an accident: it reads one digit of a port, insists on a
# port after "]", knows no v2 address of IPv4, and takes negative ports.
ODD_ADDRESSES = ("[::1]x", "[::1]:99999", "v2:1.2.3.4", "1.2.3.4:-1", "[::1/5]:0", "[::1]:0/5")


def choice_named(case, args, ceph, ours):
    # A choice that nothing accepts is named with its choices; Ceph passes it on and complains of
    # something else.
    return (
        has_type(case, "CephChoices")
        and not ceph[0]
        and not ours[0]
        and re.search(r"^Invalid command: (.* not in |Unexpected argument)", ours[1], re.S)
    )


def ceph_crashes(case, args, ceph, ours):
    return ceph[1] == "crash"


def number_that_json_lacks(case, args, ceph, ours):
    # Ceph takes these as floats; here they are no numbers, and go where such words go.
    return has_type(case, "CephFloat") and mentions(args, ("inf", "-inf", "nan", "1e999"))


def integer_beyond_64_bits(case, args, ceph, ours):
    return has_type(case, "CephInt", "CephOsdName") and mentions(
        args, ("9223372036854775808", "123456789012345678901234", "99999999999999999999")
    )


def text_beyond_ascii(case, args, ceph, ours):
    return any("Köln" in arg for arg in args)


def several_values_kept(case, args, ceph, ours):
    # n=2: Ceph keeps the last value only.
    return any(parameter.keys.get("n", "N").isdigit() for parameter in case.parameters)


def odd_address(case, args, ceph, ours):
    return has_type(case, "CephIPAddr", "CephEntityAddr") and any(
        odd in arg for arg in args for odd in ODD_ADDRESSES
    )


def path_of_the_caller(case, args, ceph, ours):
    # Ceph asks its own machine's file system; the manager cannot ask the caller's.
    return has_type(case, "CephSocketpath") or (
        has_type(case, "CephFilepath")
        and any("/nonexistent" in arg or arg[:1] != "/" for arg in args)
    )


def fragment_accepted(case, args, ceph, ours):
    # Ceph requires the 0x and then reads the number as a decimal one: no fragment is ever good.
    return has_type(case, "CephFragment") and not ceph[0] and "can't convert 0x" in ceph[1]


EXCEPTIONS = [
    choice_named,
    ceph_crashes,
    number_that_json_lacks,
    integer_beyond_64_bits,
    text_beyond_ascii,
    several_values_kept,
    odd_address,
    path_of_the_caller,
    fragment_accepted,
]


class Differential(unittest.TestCase):
    """Base of the tests: they set `cases`."""

    cases: list[Case] = []

    def probe(self, requests):
        result = subprocess.run(
            [f"{HERE}/signature_probe"],
            input="".join(json.dumps(request) + "\n" for request in requests),
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(answers), len(requests))
        return answers

    def compare_usage(self):
        answers = self.probe([{"signature": case.text, "args": []} for case in self.cases])
        for case, answer in zip(self.cases, answers):
            self.assertEqual(answer.get("usage", answer), ceph_argparse.concise_sig(case.descs))

    def compare_words(self, lists):
        """Compares `lists` argument lists a signature.

        Returns how many both accept, how many both refuse, and how often each exception was used.
        """
        rng = random.Random(int(os.environ.get("OUTPOST_TEST_SEED", SEED)))
        trials = [(case, case.arguments(rng)) for case in self.cases for _ in range(lists)]
        answers = self.probe([{"signature": case.text, "args": args} for case, args in trials])
        used = dict.fromkeys(EXCEPTIONS, 0)
        agreed = {True: 0, False: 0}
        failures = []
        for (case, args), answer in zip(trials, answers):
            ours = (
                (True, answer["values"]) if answer["ok"] else (False, answer.get("error", answer))
            )
            try:
                ceph = ceph_says(case, args)
            except CrashError:
                ceph = (False, "crash")
            if self.same(ceph, ours):
                agreed[ours[0]] += 1
                continue
            exception = next((e for e in EXCEPTIONS if e(case, args, ceph, ours)), None)
            if exception:
                used[exception] += 1
            else:
                failures.append(f"{case.text}\n  args: {args}\n  ceph: {ceph}\n  ours: {ours}")
        print(
            f"{len(self.cases)} signatures, {len(trials)} argument lists: "
            f"both accept {agreed[True]}, both refuse {agreed[False]}"
        )
        for exception, count in used.items():
            print(f"  {exception.__name__}: {count}")
        if failures:
            self.fail(f"{len(failures)} disagreements\n" + "\n".join(failures[:10]))
        return agreed[True], agreed[False], used

    def same(self, ceph, ours):
        if ceph[0] != ours[0]:
            return False
        if not ceph[0]:
            return comparable(ceph[1]) == comparable(ours[1])
        # By text: 1 and true, or 1 and 1.0, are not the same value.
        return json.dumps(ceph[1], sort_keys=True) == json.dumps(ours[1], sort_keys=True)
