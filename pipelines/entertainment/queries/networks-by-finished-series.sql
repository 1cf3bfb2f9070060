-- Networks by the series that they brought to an end, with how many seasons these had on average, and how many series are not finished.
-- param limit 20 from 1: how many networks

SELECT n.network_id AS network_id, n.network_name AS network,
  sum(CASE WHEN s.status IN ('Ended', 'Canceled') THEN 1 ELSE 0 END) AS finished,
  floor(100 * avg(CASE WHEN s.status IN ('Ended', 'Canceled') THEN s.number_of_seasons END) + 0.5) / 100 AS seasons, -- stores round halves each in their own way
  sum(CASE WHEN s.status IN ('Ended', 'Canceled') THEN 0 ELSE 1 END) AS others
FROM title_networks n
JOIN tv_series s ON s.id = n.title_id
WHERE n.title_type = 'tv_series'
GROUP BY n.network_id, n.network_name
ORDER BY finished DESC, others DESC, network, network_id
LIMIT {limit:UInt32}
