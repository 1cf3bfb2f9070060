-- The best rated movies and series of those with enough votes to believe it, with their year if they have one.
-- param min_votes 50: fewer votes leave a title out
-- param limit 20 from 1: how many titles

SELECT title_type, id, title, released, vote_average, vote_count
FROM (
  SELECT 'movie' AS title_type, id, title, release_year AS released, vote_average, vote_count FROM movies
  UNION ALL
  SELECT 'tv_series' AS title_type, id, name AS title, first_air_year AS released, vote_average, vote_count FROM tv_series
) t
WHERE vote_count >= {min_votes:UInt32} AND vote_average IS NOT NULL
ORDER BY vote_average DESC, vote_count DESC, title_type, id
LIMIT {limit:UInt32}
