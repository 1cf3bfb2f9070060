"""Computes every relationship between people and titles from the credits of silver, as delta-rs reads it, and compares
them with those of the graph, as the command line prints them.

usage: graph_equals_silver.py DATA_DIR
"""

import json
import subprocess
import sys
from collections import Counter

from delta_rs_rows import rows_of
from deltalake import DeltaTable

LABELS = {"movies": "Movie", "tv_series": "TvSeries"}


def expected(data_dir):
    found = {"ACTED_IN": set(), "CREW_OF": set()}
    for table, label in LABELS.items():
        for row in rows_of(DeltaTable(f"{data_dir}/lake/silver/{table}")).to_pylist():
            if row["deleted"]:
                continue
            credits = row["credits"] or {}
            for kind, roles, fields in (("ACTED_IN", "cast", ["character"]), ("CREW_OF", "crew", ["department", "job"])):
                for credit in credits.get(roles) or []:
                    if (credit["id"] or 0) > 0:  # a guest without an id, or with 0, is nobody that can be told from others
                        role = tuple(credit[f] for f in fields)
                        # A credit without an id of its own, or with a blank one, is told apart by everything in it.
                        key = (credit["credit_id"] or "").strip() or f"{credit['name']}"
                        found[kind].add((label, row["id"], credit["id"], key, *role))
    return found


def in_graph(data_dir, kind, label):
    role = "r.character AS a" if kind == "ACTED_IN" else "r.department AS a, r.job AS b"
    query = f"MATCH (p:Person)-[r:{kind}]->(t:{label}) RETURN t.id AS title, p.id AS person, r.credit_key AS key, r.person_name AS name, {role}"
    command = ["npm", "run", "-s", "millrace", "--", "graph", query, "--json", "--data", data_dir]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def main():
    data_dir = sys.argv[1]
    wrong = 0
    for kind, wanted in expected(data_dir).items():
        # A credit_id has 24 hexadecimal digits; our own keys, 32: those are compared by name.
        rows = []
        for label in LABELS.values():
            for row in in_graph(data_dir, kind, label):
                key = row["key"] if len(row["key"]) == 24 else row["name"]
                role = (row["a"],) if kind == "ACTED_IN" else (row["a"], row["b"])
                rows.append((label, row["title"], row["person"], key, *role))
        doubled = [row for row, count in Counter(rows).items() if count > 1]
        missing, extra = wanted - set(rows), set(rows) - wanted
        print(f"{kind}: {len(rows)} in the graph, {len(missing)} missing, {len(extra)} too many, {len(doubled)} doubled")
        for row in sorted(map(str, list(missing)[:3] + list(extra)[:3] + doubled[:3])):
            print(f"  {row}")
        wrong += len(missing) + len(extra) + len(doubled)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
