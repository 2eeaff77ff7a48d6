-- The view product_sales of examples/churn as one DuckDB query; see customer_activity.sql for its rules of time.
WITH aggregates AS (
  SELECT
    r.row_number,
    count(*) AS sales_count,
    sum(t.quantity) AS units_sold,
    sum(t.amount) AS revenue,
    avg(t.unit_price) AS avg_price,
    min(t.unit_price) AS min_price,
    max(t.unit_price) AS max_price,
    count(DISTINCT t.invoice_no) AS unique_invoices,
    count(DISTINCT t.customer_id) AS unique_customers,
    sum(t.amount) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 30 DAY) AS revenue_last_30d,
    sum(t.amount) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 90 DAY) AS revenue_last_90d,
    (epoch_us(any_value(r.as_of)) - epoch_us(max(t.invoice_date))) / 86400e6 AS days_since_last_sale
  FROM requests r
  JOIN transactions t ON t.stock_code = r.stock_code AND t.invoice_date < r.as_of
  GROUP BY r.row_number
)
SELECT *,
  (coalesce(revenue_last_30d, 0) - coalesce(revenue_last_90d, 0) / 3) / greatest(coalesce(revenue_last_90d, 0) / 3, 1) AS revenue_trend,
  (max_price - min_price) / avg_price AS price_spread
FROM aggregates
ORDER BY row_number
