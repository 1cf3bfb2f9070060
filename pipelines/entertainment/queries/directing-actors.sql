-- People who directed movies that they also acted in: how many of these they made.
-- param limit 20 from 1: how many people

SELECT a.person_id AS person_id, max(a.person_name) AS person, count(DISTINCT a.title_id) AS acted_and_directed,
  min(m.release_year) AS first_year
FROM casts a
JOIN crews d ON d.title_type = a.title_type AND d.title_id = a.title_id AND d.person_id = a.person_id
JOIN movies m ON m.id = a.title_id
WHERE a.title_type = 'movie' AND d.job = 'Director'
GROUP BY a.person_id
ORDER BY acted_and_directed DESC, person, person_id
LIMIT {limit:UInt32}
