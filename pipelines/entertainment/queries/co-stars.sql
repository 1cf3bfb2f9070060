-- Pairs of people who are in the cast of the same titles most often, whatever the number of their roles there. People without an id are left out:
-- two of one name need not be one.
-- param min_titles 2 from 1: pairs that share fewer titles are left out
-- param limit 20 from 1: how many pairs

WITH actors AS (
  SELECT DISTINCT title_type, title_id, person_id FROM casts WHERE person_id IS NOT NULL
), names AS (
  SELECT person_id, max(person_name) AS actor FROM casts WHERE person_id IS NOT NULL GROUP BY person_id
), pairs AS (
  SELECT a.person_id AS one, b.person_id AS other, count(*) AS shared
  FROM actors a
  JOIN actors b ON b.title_type = a.title_type AND b.title_id = a.title_id
  WHERE a.person_id < b.person_id
  GROUP BY a.person_id, b.person_id
)
SELECT p.one AS person_id, n.actor AS person, p.other AS co_star_id, o.actor AS co_star, p.shared AS titles
FROM pairs p
JOIN names n ON n.person_id = p.one
JOIN names o ON o.person_id = p.other
WHERE p.shared >= {min_titles:UInt32}
ORDER BY titles DESC, person_id, co_star_id
LIMIT {limit:UInt32}
