-- Movies by what they earned for each unit of their budget. Budgets and revenues of 0 are unknown: such movies are left out.
-- param min_budget 1000000: cheaper movies are left out
-- param limit 20 from 1: how many movies

SELECT id, title, release_year, budget, revenue, floor(100 * revenue / budget + 0.5) / 100 AS times_the_budget -- stores round halves each in their own way
FROM movies
WHERE budget >= {min_budget:UInt64} AND budget > 0 AND revenue > 0
ORDER BY revenue / budget DESC, id
LIMIT {limit:UInt32}
