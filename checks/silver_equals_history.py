"""Computes the newest version of every title from a change history, in plain Python, and compares it with silver as
delta-rs reads it: row for row, and every scalar field of the documents.

usage: silver_equals_history.py DATA_DIR HISTORY.jsonl[.gz] ...
"""

import datetime
import gzip
import json
import sys

from delta_rs_rows import rows_of
from deltalake import DeltaTable

SCALARS = {
    "movies": "imdb_id title original_title overview status homepage runtime budget revenue popularity vote_average "
    "vote_count poster_path backdrop_path certification",
    "tv_series": "imdb_id name original_name overview status type certification popularity vote_average vote_count "
    "poster_path backdrop_path number_of_seasons number_of_episodes",
}
DATES = {"movies": ["release_date"], "tv_series": ["first_air_date", "last_air_date"]}
TABLES = {"movie": "movies", "tv_series": "tv_series", "person": "people"}


def newest_versions(files):
    newest = {"movies": {}, "tv_series": {}, "people": {}}
    for file in files:
        with (gzip.open if file.endswith(".gz") else open)(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                rows = newest[TABLES[event["type"]]]
                held = rows.get(event["id"])
                if held is None or event["ts"] >= held["ts"]:  # a tie goes to the later line, as to the later offset
                    rows[event["id"]] = event
    return newest


def as_date(text):
    return datetime.date.fromisoformat(text) if text else None


def said(text):
    """A text without the blanks around it; None for one that says nothing."""
    return (text or "").strip() or None


def merged(doc, kind):
    """Credits of both lists of a document, those of a series' creators too: a credit that the second list repeats counts once."""
    credits = list((doc.get("credits") or {}).get(kind) or [])
    role = ("id", "name", "character") if kind == "cast" else ("id", "name", "department", "job")
    ids = {said(c.get("credit_id")) for c in credits}
    roles = {tuple(c.get(f) for f in role): said(c.get("credit_id")) for c in sorted(credits, key=lambda c: said(c.get("credit_id")) is None)}
    for person in (doc.get("aggregate_credits") or {}).get(kind) or []:
        for each in person.get("roles" if kind == "cast" else "jobs") or []:
            credit = {**person, **each}
            own, same = said(credit.get("credit_id")), tuple(credit.get(f) for f in role)
            known = own in ids or (same in roles and roles[same] is None) if own else same in roles
            if not known:
                credits.append(credit)
    for creator in (doc.get("created_by") or []) if kind == "crew" else []:
        credits.append({**creator, "department": "Creation", "job": "Creator"})
    return credits


def credit_set(doc, kind, fields):
    return [tuple(credit.get(f) for f in fields) for credit in merged(doc, kind)]


def differences(table, event, row):
    if row["event_time"].timestamp() != event["ts"]:
        yield "event_time", event["ts"], row["event_time"]
    if row["deleted"] != (event["op"] == "D"):
        yield "deleted", event["op"], row["deleted"]
    doc = event["doc"] if event["op"] != "D" else {}
    for field in SCALARS[table].split():
        if doc.get(field) != row[field]:
            yield field, doc.get(field), row[field]
    for field in DATES[table]:
        if as_date(doc.get(field)) != row[field]:
            yield field, doc.get(field), row[field]
    # What silver holds has no second list any more, so that it goes through the same function unchanged.
    for kind, fields in (("cast", ["id", "name", "character", "order"]), ("crew", ["id", "name", "department", "job"])):
        key = lambda credit: tuple(str(value) for value in credit)  # noqa: E731
        if sorted(credit_set(doc, kind, fields), key=key) != sorted(credit_set(row, kind, fields), key=key):
            yield f"credits.{kind}", len(credit_set(doc, kind, fields)), len(credit_set(row, kind, fields))
    genres = [(g["id"], g["name"]) for g in doc.get("genres") or []]
    if genres != [(g["id"], g["name"]) for g in row["genres"] or []]:
        yield "genres", genres, row["genres"]


def main():
    data_dir, files = sys.argv[1], sys.argv[2:]
    wrong = 0
    for table, expected in newest_versions(files).items():
        if not expected:
            continue
        rows = rows_of(DeltaTable(f"{data_dir}/lake/silver/{table}")).to_pylist()
        actual = {row["id"]: row for row in rows}
        problems = [f"{len(rows) - len(actual)} ids stand twice"] if len(rows) != len(actual) else []
        problems += [f"id {i} is missing" for i in expected.keys() - actual.keys()]
        problems += [f"id {i} is too much" for i in actual.keys() - expected.keys()]
        for i in sorted(expected.keys() & actual.keys()):
            problems += [f"id {i}: {f}: expected {e!r}, found {a!r}" for f, e, a in differences(table, expected[i], actual[i])]
        for problem in problems[:10]:
            print(f"silver/{table}: {problem}")
        wrong += len(problems)
        print(f"silver/{table}: {len(actual)} rows, {len(problems)} differences from the newest versions of the history")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
