-- Collections by what their movies earned together. A revenue of 0 is one that nobody knows: it is not counted as known.
-- param limit 20 from 1: how many collections

SELECT c.collection_id AS collection_id, max(c.collection_name) AS collection, count(*) AS movies,
  sum(CASE WHEN m.revenue > 0 THEN 1 ELSE 0 END) AS with_known_revenue, sum(coalesce(m.revenue, 0)) AS earned
FROM movie_collections c
JOIN movies m ON m.id = c.title_id
GROUP BY c.collection_id
ORDER BY earned DESC, collection_id
LIMIT {limit:UInt32}
