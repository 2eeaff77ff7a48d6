-- The labels and the split of examples/churn/training/churn.yaml as one DuckDB query over the transactions.
SELECT
  p.customer_id,
  p.as_of,
  CASE WHEN EXISTS (
    FROM transactions t
    WHERE t.customer_id = p.customer_id AND t.invoice_date >= p.as_of AND t.invoice_date < p.as_of + INTERVAL 90 DAY
  ) THEN 0 ELSE 1 END AS churned,
  CASE WHEN p.as_of <= TIMESTAMP '2010-12-01' THEN 'train'
       WHEN p.as_of BETWEEN TIMESTAMP '2011-03-01' AND TIMESTAMP '2011-04-01' THEN 'validation'
       WHEN p.as_of >= TIMESTAMP '2011-07-01' THEN 'test' END AS split
FROM (
  SELECT DISTINCT t.customer_id, grid.as_of
  FROM generate_series(TIMESTAMP '2010-06-01', TIMESTAMP '2011-09-01', INTERVAL 1 MONTH) grid(as_of)
  JOIN transactions t ON t.invoice_date < grid.as_of AND t.invoice_date >= grid.as_of - INTERVAL 365 DAY
) p
ORDER BY p.as_of, p.customer_id
