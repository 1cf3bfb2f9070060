-- People born before a year, the oldest first, with the number of titles that credit them: cast, crew or both.
-- param year 1900: born in it or later leaves a person out
-- param limit 50 from 1: how many people

SELECT p.id AS id, p.name AS person, p.birth_year AS born, p.death_year AS died, count(t.title_id) AS titles
FROM people p
LEFT JOIN (
  SELECT DISTINCT person_id, title_type, title_id
  FROM (
    SELECT person_id, title_type, title_id FROM casts
    UNION ALL
    SELECT person_id, title_type, title_id FROM crews
  ) credits
) t ON t.person_id = p.id
WHERE p.birth_year < {year:Int32}
GROUP BY p.id, p.name, p.birth_year, p.death_year
ORDER BY born, person, id
LIMIT {limit:UInt32}
