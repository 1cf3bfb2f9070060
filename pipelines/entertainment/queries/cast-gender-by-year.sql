-- Women and men in the casts of movies, year by year: everybody once a movie, whatever the number of roles. Where the credit does not say the gender,
-- the person may; guests without an id are counted by name. 1 is a woman, 2 a man, 3 neither, and 0 or none unknown.

SELECT released, count(*) AS people, sum(CASE WHEN gender = 1 THEN 1 ELSE 0 END) AS women,
  sum(CASE WHEN gender = 2 THEN 1 ELSE 0 END) AS men, sum(CASE WHEN gender = 3 THEN 1 ELSE 0 END) AS neither,
  sum(CASE WHEN gender IN (1, 2, 3) THEN 0 ELSE 1 END) AS unknown,
  floor(1000 * sum(CASE WHEN gender = 1 THEN 1 ELSE 0 END) / sum(CASE WHEN gender IN (1, 2) THEN 1 END) + 0.5) / 10 AS percent_women -- stores round halves each in their own way
FROM (
  SELECT c.title_id AS title_id, m.release_year AS released, c.person_id AS person_id,
    CASE WHEN c.person_id IS NULL THEN c.person_name END AS guest,
    max(CASE WHEN c.gender > 0 THEN c.gender ELSE coalesce(p.gender, 0) END) AS gender
  FROM casts c
  JOIN movies m ON m.id = c.title_id
  LEFT JOIN people p ON p.id = c.person_id
  WHERE c.title_type = 'movie' AND m.release_year IS NOT NULL
  GROUP BY title_id, released, person_id, guest
) credited
GROUP BY released
ORDER BY released
