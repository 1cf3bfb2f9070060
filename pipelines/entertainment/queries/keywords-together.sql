-- Keywords that travel together: pairs by the number of titles that have both, and how much more often that is than by chance (above 1: more).
-- param min_titles 2 from 1: pairs that share fewer titles are left out
-- param limit 20 from 1: how many pairs

WITH tagged AS (
  SELECT DISTINCT title_type, title_id, keyword_name FROM title_keywords WHERE keyword_name IS NOT NULL
), counted AS (
  SELECT keyword_name, count(*) AS titles FROM tagged GROUP BY keyword_name
), everything AS (
  SELECT count(*) AS titles FROM (SELECT DISTINCT title_type, title_id FROM tagged) t
), pairs AS (
  SELECT a.keyword_name AS keyword, b.keyword_name AS other, count(*) AS shared
  FROM tagged a
  JOIN tagged b ON b.title_type = a.title_type AND b.title_id = a.title_id
  WHERE a.keyword_name < b.keyword_name
  GROUP BY a.keyword_name, b.keyword_name
)
SELECT p.keyword AS keyword, p.other AS other, p.shared AS together,
  floor(100 * p.shared * (SELECT titles FROM everything) / (k.titles * o.titles) + 0.5) / 100 AS lift -- stores round halves each in their own way
FROM pairs p
JOIN counted k ON k.keyword_name = p.keyword
JOIN counted o ON o.keyword_name = p.other
WHERE p.shared >= {min_titles:UInt32}
ORDER BY together DESC, keyword, other
LIMIT {limit:UInt32}
