-- How many movies and series of each genre came out in each decade. Titles without a date are left out.

SELECT t.released - t.released % 10 AS decade, g.genre_name AS genre,
  count(DISTINCT CASE WHEN t.title_type = 'movie' THEN t.title_id END) AS movies,
  count(DISTINCT CASE WHEN t.title_type = 'tv_series' THEN t.title_id END) AS series
FROM title_genres g
JOIN (
  SELECT 'movie' AS title_type, id AS title_id, release_year AS released FROM movies
  UNION ALL
  SELECT 'tv_series' AS title_type, id AS title_id, first_air_year AS released FROM tv_series
) t ON t.title_type = g.title_type AND t.title_id = g.title_id
WHERE t.released IS NOT NULL AND g.genre_name IS NOT NULL
GROUP BY decade, genre
ORDER BY decade, movies + series DESC, genre
