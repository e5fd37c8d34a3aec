#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JSON that tests/unit/test_text compares, against the schemas in docs.

The published schemas let members be added; here nothing may be there that they do not name.
"""
import glob
import json
import os
import sys

SRC = os.environ.get("top_srcdir") or os.path.abspath(os.path.dirname(__file__) + "/../..")
sys.path.insert(0, os.path.join(SRC, "tests/lib"))

from vext import tap                                                        # noqa: E402
from vext.tap import skip, test                                             # noqa: E402

try:
    import jsonschema
except ImportError:
    jsonschema = None

FILES = sorted(os.path.basename(p) for p in glob.glob(SRC + "/tests/golden/text/*.json"))


def load(path):
    with open(os.path.join(SRC, path), encoding="utf-8") as f:
        return json.load(f)


def strict(schema):
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            schema["additionalProperties"] = False
        for value in schema.values():
            strict(value)
    elif isinstance(schema, list):
        for value in schema:
            strict(value)
    return schema


def validator(name):
    if jsonschema is None:
        skip("python3-jsonschema is missing")
    schema = load("docs/%s.schema.json" % name)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(strict(schema))


def schema_of(name):
    return "plan" if name.startswith("plan") else "chain-show"


def places(value, path=()):
    """Every member of every object: the object and the member's name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from places(inner, path + (key,))
    elif isinstance(value, list):
        for inner in value:
            yield from places(inner, path)


@test(cases=FILES)
def golden_output_is_valid(t, name):
    checker = validator(schema_of(name))
    value = load("tests/golden/text/" + name)
    errors = ["%s: %s" % (list(e.absolute_path), e.message) for e in checker.iter_errors(value)]
    t.eq(errors, [], name)


@test(cases=("branches.json", "plan-delete.json"))
def schema_misses_no_member(t, name):
    """Without any one of its members, or with one more, the output is not valid."""
    checker = validator(schema_of(name))
    optional = {"bytes_exact", "notes", "disks", "path"}
    value = load("tests/golden/text/" + name)
    count = 0
    for holder, key in list(places(value)):
        if key in optional and schema_of(name) == "plan":
            continue
        saved = dict(holder)
        del holder[key]
        t.ok(not checker.is_valid(value), "valid without %r" % key)
        holder.clear()
        holder.update(saved)
        holder["more"] = 1
        t.ok(not checker.is_valid(value), "valid with one member more beside %r" % key)
        del holder["more"]
        count += 1
    t.ok(count > 5, "nothing was tried")
    t.ok(checker.is_valid(value), "it is not what it was")


tap.main(sandbox=False)
