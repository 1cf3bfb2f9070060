"""Computes from silver, as delta-rs reads it, what ClickHouse, Neo4j and the vector index must hold, and compares all of it with what
they say themselves: over HTTP, and for Neo4j by a script that only reads. Nothing of the engine is used.

usage: stores_equal_silver.py LAKE_DIR  (CLICKHOUSE_..., NEO4J_..., PINECONE_... in the environment; a store without an address is left out)
"""

import datetime
import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, defaultdict

from delta_rs_rows import rows_of
from deltalake import DeltaTable

TITLES = {"movies": ("movie", "Movie"), "tv_series": ("tv_series", "TvSeries")}
LINKS = {
    "movies": [("genres", "genre", "Genre", "IN_GENRE"), ("production_companies", "company", "Company", "MADE_BY"), ("keywords", "keyword", "Keyword", "HAS_KEYWORD")],
    "tv_series": [
        ("genres", "genre", "Genre", "IN_GENRE"),
        ("production_companies", "company", "Company", "MADE_BY"),
        ("networks", "network", "Network", "ON_NETWORK"),
        ("keywords", "keyword", "Keyword", "HAS_KEYWORD"),
    ],
}
TABLES = {"genre": "title_genres", "company": "title_companies", "network": "title_networks", "keyword": "title_keywords"}
COLUMNS = {
    "movies": "id title original_title overview tagline status certification original_language popularity vote_average vote_count "
    "release_date runtime budget revenue homepage imdb_id poster_path backdrop_path adult video",
    "tv_series": "id name original_name type overview tagline status certification original_language popularity vote_average vote_count "
    "first_air_date last_air_date in_production number_of_seasons number_of_episodes homepage imdb_id poster_path backdrop_path adult",
    "people": "id name original_name gender known_for_department biography birthday deathday place_of_birth also_known_as homepage "
    "imdb_id profile_path popularity adult",
}


def plain(value):
    return value.isoformat() if isinstance(value, datetime.date) else value


def whole(value):
    """7.0 and 7 are one number to JSON."""
    if isinstance(value, (list, tuple)):
        return [whole(each) for each in value]
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def frozen(value):
    return json.dumps(whole(value), sort_keys=True, ensure_ascii=False)


class Report:
    def __init__(self):
        self.wrong = 0
        self.lines = {}

    def compare(self, name, expected, actual):
        """Both as lists of anything that JSON can tell, compared as multisets."""
        left, right = Counter(map(frozen, expected)), Counter(map(frozen, actual))
        missing, extra = left - right, right - left
        self.lines[name] = sum(right.values())
        if missing or extra:
            self.wrong += 1
            print(f"{name}: {sum(missing.values())} missing, {sum(extra.values())} too many", file=sys.stderr)
            for what, rows in (("missing", missing), ("too many", extra)):
                for row in sorted(rows)[:3]:
                    print(f"  {what}: {row[:400]}", file=sys.stderr)

    def one_of(self, name, candidates, actual):
        """Each key of `candidates` must stand once in `actual` with one of the values that it may have."""
        self.lines[name] = len(actual)
        doubled = [key for key, count in Counter(key for key, _ in actual).items() if count > 1]
        held = dict(actual)
        wrong = [f"{key} doubled" for key in doubled]
        wrong += [f"{key} missing" for key in candidates.keys() - held.keys()]
        wrong += [f"{key} too much" for key in held.keys() - candidates.keys()]
        wrong += [f"{key} is {held[key]}" for key in candidates.keys() & held.keys() if held[key] not in candidates[key]]
        if wrong:
            self.wrong += 1
            print(f"{name}: {len(wrong)} wrong: {'; '.join(sorted(wrong)[:3])[:900]}", file=sys.stderr)


def said(text):
    """A text without the blanks around it; None for one that says nothing."""
    return (text or "").strip() or None


def title_of(table, row):
    """The name that a title or a person goes by: the original one where there is no other."""
    name, original = ("title", "original_title") if table == "movies" else ("name", "original_name")
    return row[name] if said(row[name]) or not said(row[original]) else row[original]


def named(link):
    """Id and name of a genre, company or the like; None for one that has neither."""
    found = (link["id"], said(link["name"])) if link else (None, None)
    return None if found == (None, None) else found


def person_of(credit):
    """Guests without an id, or with 0, are nobody that can be told from others."""
    return credit["id"] if (credit["id"] or 0) > 0 else None


def roles(table, row):
    """Credits by what tells them apart: an id of their own, else everything that identifies one."""
    for kind, fields in (("cast", ["character"]), ("crew", ["department", "job"])):
        for credit in (row["credits"] or {}).get(kind) or []:
            key = said(credit["credit_id"]) or [person_of(credit), credit["name"], *(credit[f] for f in fields)]
            yield kind, frozen([table, row["id"], key]), credit


def texts(table, row):
    """Text and metadata of a vector; None where there is nothing to find it by."""
    if table == "people":
        parts = [title_of(table, row), row["known_for_department"], row["biography"]]
        metadata = {"title": title_of(table, row), "department": row["known_for_department"]}
    else:
        date = row["release_date"] if table == "movies" else row["first_air_date"]
        title = title_of(table, row)
        genres = sorted(said(g["name"]) for g in row["genres"] or [] if g and said(g["name"]))
        head = title if title is None or date is None else f"{title} ({date.year})"
        parts = [head, ", ".join(genres), row["tagline"], row["overview"]]
        metadata = {"title": title, "year": date and date.year, "genres": genres}
    text = "\n".join(part for part in parts if part)
    return (text, metadata) if text else None


def olap_rows(table):
    query = urllib.parse.urlencode(
        {
            "query": f"SELECT * FROM {table} FORMAT JSONEachRow",
            "database": os.environ.get("CLICKHOUSE_DATABASE", "default"),
            "output_format_json_quote_64bit_integers": "0",
        }
    )
    request = urllib.request.Request(f"{os.environ['CLICKHOUSE_URL']}/?{query}")
    request.add_header("X-ClickHouse-User", os.environ.get("CLICKHOUSE_USER", "default"))
    request.add_header("X-ClickHouse-Key", os.environ.get("CLICKHOUSE_PASSWORD", ""))
    try:
        with urllib.request.urlopen(request) as answer:
            return [json.loads(line) for line in answer.read().decode().splitlines()]
    except urllib.error.HTTPError as error:
        if b"UNKNOWN_TABLE" in error.read():  # nothing was ever written to it
            return []
        raise


def check_olap(report, silver):
    def value(row, name):
        return row[f"{name}_iso"] if f"{name}_iso" in row else row[name]

    for table, rows in silver.items():
        names = COLUMNS[table].split()
        own = "title" if table == "movies" else "name"
        given = [{**row, own: title_of(table, row), "also_known_as": row.get("also_known_as") or []} for row in rows]
        expected = [[plain(row[n]) for n in names] for row in given]
        report.compare(f"olap {table}", expected, [[value(row, n) for n in names] for row in olap_rows(table)])
    credits = {"cast": defaultdict(list), "crew": defaultdict(list)}
    for table, (title_type, _) in TITLES.items():
        for row in silver[table]:
            for kind, key, credit in roles(table, row):
                who = [title_type, row["id"], person_of(credit), credit["name"], said(credit["credit_id"])]
                rest = [credit["character"], credit["cast_id"], credit["order"]] if kind == "cast" else [credit["department"], credit["job"]]
                credits[kind][key].append(frozen(who + rest))
    for kind, name, fields in (("cast", "casts", ["character", "cast_id", "order"]), ("crew", "crews", ["department", "job"])):
        actual = []
        for row in olap_rows(name):
            role = [row[f] for f in fields if f not in ("cast_id", "order")]
            own = row["credit_id"] or [row["person_id"], row["person_name"], *role]
            table = "movies" if row["title_type"] == "movie" else "tv_series"
            who = [row[f] for f in ("title_type", "title_id", "person_id", "person_name", "credit_id")]
            actual.append((frozen([table, row["title_id"], own]), frozen(who + [row[f] for f in fields])))
        report.one_of(f"olap {name}", credits[kind], actual)
    links = defaultdict(set)
    for table, (title_type, _) in TITLES.items():
        for row in silver[table]:
            for column, what, _, _ in LINKS[table]:
                for link in filter(None, map(named, row[column] or [])):
                    links[what].add((title_type, row["id"], *link))
    for what, name in TABLES.items():
        actual = [[r["title_type"], r["title_id"], r[f"{what}_id"], r[f"{what}_name"]] for r in olap_rows(name)]
        report.compare(f"olap {name}", links[what], actual)
    belongs = [[r["id"], *named(r["belongs_to_collection"])] for r in silver["movies"] if named(r["belongs_to_collection"])]
    actual = [[r["title_id"], r["collection_id"], r["collection_name"]] for r in olap_rows("movie_collections")]
    report.compare("olap movie_collections", belongs, actual)


def graph_rows():
    script = os.path.join(os.path.dirname(__file__), "neo4j-rows.ts")
    command = ["node_modules/.bin/node", script]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    nodes, relationships = defaultdict(list), defaultdict(list)
    for line in lines:
        row = json.loads(line)
        (nodes if "label" in row else relationships)[row.get("label") or row["type"]].append(row)
    return nodes, relationships


def check_graph(report, silver):
    nodes, relationships = graph_rows()
    credited = defaultdict(set)  # names that a person goes by in credits
    credits = {"ACTED_IN": set(), "CREW_OF": set()}
    links, linked = defaultdict(set), defaultdict(set)
    for table, (_, label) in TITLES.items():
        for row in silver[table]:
            for kind, _, credit in roles(table, row):
                if person_of(credit) is None:
                    continue
                credited[credit["id"]].add(credit["name"])
                own = said(credit["credit_id"]) or credit["name"]
                role = [credit["character"]] if kind == "cast" else [credit["department"], credit["job"]]
                credits["ACTED_IN" if kind == "cast" else "CREW_OF"].add(frozen([label, row["id"], credit["id"], own, *role]))
            one = row["belongs_to_collection"] if table == "movies" else None
            found = [(what, type, link) for column, _, what, type in LINKS[table] for link in row[column] or []]
            found += [("Collection", "PART_OF", one)] if one else []
            for what, type, link in found:
                if named(link) is None:
                    continue
                links[type].add(frozen([label, row["id"], what, *named(link)]))
                linked[what].add(frozen(named(link)))
    for table, (_, label) in TITLES.items():
        date = "release_date" if table == "movies" else "first_air_date"
        original = "original_title" if table == "movies" else "original_name"
        expected = [
            [r["id"], title_of(table, r), r[original], plain(r[date]), r[date] and r[date].year, r["status"], r["original_language"]] for r in silver[table]
        ]
        names = ["id", "title", "original_title", "release_date", "year", "status", "original_language"]
        report.compare(f"graph {label}", expected, [[n["properties"].get(p) for p in names] for n in nodes[label]])
    live = {row["id"]: row for row in silver["people"]}
    people = {str(i): [frozen([name, True]) for name in names] for i, names in credited.items()}
    for i, row in live.items():
        people[str(i)] = [frozen([title_of("people", row), False])]
    actual = [(str(n["properties"]["id"]), frozen([n["properties"].get("name"), n["properties"]["stub"]])) for n in nodes["Person"]]
    report.one_of("graph Person", people, actual)
    kept = ["known_for_department", "place_of_birth", "birthday", "deathday"]
    expected = [[i, *(plain(row[k]) for k in kept)] for i, row in live.items()]
    report.compare("graph Person, by themselves", expected, [[n["properties"]["id"], *(n["properties"].get(k) for k in kept)] for n in nodes["Person"] if not n["properties"]["stub"]])
    for what in ("Genre", "Company", "Network", "Keyword", "Collection"):
        report.compare(f"graph {what}", map(json.loads, linked[what]), [[n["properties"].get("id"), n["properties"].get("name")] for n in nodes[what]])
    for type, wanted in credits.items():
        role = ["character"] if type == "ACTED_IN" else ["department", "job"]
        actual = []
        for r in relationships[type]:
            p = r["properties"]
            own = p["credit_key"] if len(p["credit_key"]) == 24 else p["person_name"]  # our own keys have 32 digits
            actual.append([r["toLabel"], r["to"]["id"], r["from"]["id"], own, *(p.get(f) for f in role)])
        report.compare(f"graph {type}", map(json.loads, wanted), actual)
    for type in ("IN_GENRE", "MADE_BY", "HAS_KEYWORD", "ON_NETWORK", "PART_OF"):
        actual = [[r["fromLabel"], r["from"]["id"], r["toLabel"], r["to"].get("id"), r["to"].get("name")] for r in relationships[type]]
        report.compare(f"graph {type}", map(json.loads, links[type]), actual)


def pinecone(path, query=None, host=None):
    host = host or os.environ["PINECONE_CONTROLLER_HOST"]
    request = urllib.request.Request(f"{host}{path}" + (f"?{urllib.parse.urlencode(query, doseq=True)}" if query else ""))
    request.add_header("Api-Key", os.environ["PINECONE_API_KEY"])
    request.add_header("X-Pinecone-Api-Version", "2026-04")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def vectors_of(host, namespace):
    token = None
    while True:
        page = pinecone("/vectors/list", {"namespace": namespace, "limit": 100, **({"paginationToken": token} if token else {})}, host)
        ids = [vector["id"] for vector in page.get("vectors", [])]
        if ids:
            yield from pinecone("/vectors/fetch", {"ids": ids, "namespace": namespace}, host)["vectors"].values()
        token = (page.get("pagination") or {}).get("next")
        if not token:
            return


def check_vectors(report, silver):
    index = pinecone(f"/indexes/{os.environ.get('PINECONE_INDEX', 'millrace')}")
    host = index["host"] if index["host"].startswith("http") else f"https://{index['host']}"
    for table, rows in silver.items():
        expected = []
        for row in rows:
            found = texts(table, row)
            if found is not None:
                text, metadata = found
                given = {name: value for name, value in metadata.items() if value not in (None, [])}
                expected.append([str(row["id"]), {"text": text, **given}])
        actual = []
        for vector in vectors_of(host, table):
            if not any(vector["values"]):
                report.wrong += 1
            known = {name: vector["metadata"][name] for name in ("text", "title", "department", "year", "genres") if vector["metadata"].get(name) not in (None, [])}
            if "year" in known:
                known["year"] = int(known["year"])
            actual.append([vector["id"], known])
        report.compare(f"vectors {table}", expected, actual)


def main():
    lake = sys.argv[1]
    silver = {}
    for table in ("movies", "tv_series", "people"):
        path = f"{lake}/silver/{table}"
        rows = rows_of(DeltaTable(path)).to_pylist() if DeltaTable.is_deltatable(path) else []  # not there yet: nothing
        silver[table] = [row for row in rows if not row["deleted"]]
    report = Report()
    for name, check in (("CLICKHOUSE_URL", check_olap), ("NEO4J_URI", check_graph), ("PINECONE_API_KEY", check_vectors)):
        if os.environ.get(name):
            check(report, silver)
    print(json.dumps({"check": "stores-equal-silver", "wrong": report.wrong, "rows": report.lines}))
    sys.exit(1 if report.wrong or not report.lines else 0)


if __name__ == "__main__":
    main()
