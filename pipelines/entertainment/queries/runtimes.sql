-- How long movies are: how many there are in each span of minutes, and from and to which year. A runtime of 0 is one that nobody knows.
-- param minutes 30 from 1: length of a span

SELECT runtime - runtime % {minutes:UInt32} AS from_minutes, count(*) AS movies, min(release_year) AS first_year,
  max(release_year) AS last_year
FROM movies
WHERE runtime > 0
GROUP BY from_minutes
ORDER BY from_minutes
