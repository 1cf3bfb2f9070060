-- Who directed the most movies, and from when to when. Directors without an id are told apart by their names.
-- param limit 20 from 1: how many people

SELECT c.person_id AS person_id, max(c.person_name) AS director, count(DISTINCT c.title_id) AS directed,
  min(m.release_year) AS first_year, max(m.release_year) AS last_year
FROM crews c
JOIN movies m ON m.id = c.title_id
WHERE c.title_type = 'movie' AND c.job = 'Director'
GROUP BY c.person_id, CASE WHEN c.person_id IS NULL THEN c.person_name END
ORDER BY directed DESC, director, person_id
LIMIT {limit:UInt32}
