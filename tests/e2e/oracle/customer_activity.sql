-- The view customer_activity of examples/churn as one DuckDB query: requests joined with every earlier event of their key, then
-- one aggregation. Rules of time: an aggregate sees [as_of - window, as_of); a key whose newest event is older than the ttl of
-- 365 days gives nulls (no such request is among these).
WITH aggregates AS (
  SELECT
    r.row_number,
    (epoch_us(any_value(r.as_of)) - epoch_us(max(t.invoice_date))) / 86400e6 AS days_since_last_purchase,
    (epoch_us(any_value(r.as_of)) - epoch_us(min(t.invoice_date))) / 86400e6 AS days_since_first_purchase,
    count(*) AS total_lines,
    count(DISTINCT t.invoice_no) AS total_invoices,
    count(DISTINCT t.invoice_no) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 30 DAY) AS invoices_last_30d,
    count(DISTINCT t.invoice_no) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 90 DAY) AS invoices_last_90d,
    count(DISTINCT t.invoice_no) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 180 DAY) AS invoices_last_180d,
    count(DISTINCT date_trunc('month', t.invoice_date)) AS active_months,
    sum(t.amount) AS lifetime_value,
    avg(t.amount) AS avg_line_amount,
    max(t.amount) AS max_line_amount,
    min(t.amount) AS min_line_amount,
    count(*) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 30 DAY) AS lines_last_30d,
    count(*) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 90 DAY) AS lines_last_90d,
    sum(t.amount) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 30 DAY) AS amount_last_30d,
    sum(t.amount) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 90 DAY) AS amount_last_90d,
    sum(t.amount) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 180 DAY) AS amount_last_180d,
    sum(t.quantity) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 90 DAY) AS units_last_90d,
    count(DISTINCT t.stock_code) AS unique_products,
    count(DISTINCT t.stock_code) FILTER (WHERE t.invoice_date >= r.as_of - INTERVAL 90 DAY) AS unique_products_last_90d,
    count(*) FILTER (WHERE t.country = 'United Kingdom') AS domestic_lines,
    count(*) FILTER (WHERE t.amount >= 100) AS large_lines
  FROM requests r
  JOIN transactions t ON t.customer_id = r.customer_id AND t.invoice_date < r.as_of
  GROUP BY r.row_number
), first_derived AS (
  SELECT *,
    lifetime_value / greatest(total_invoices, 1) AS avg_invoice_amount,
    lifetime_value / greatest(active_months, 1) AS avg_amount_per_month,
    (days_since_first_purchase - days_since_last_purchase) / greatest(total_invoices - 1, 1) AS avg_days_between_invoices
  FROM aggregates
)
SELECT *,
  days_since_last_purchase / greatest(avg_days_between_invoices, 1) AS recency_ratio,
  (coalesce(amount_last_30d, 0) - coalesce(amount_last_90d, 0) / 3) / greatest(coalesce(amount_last_90d, 0) / 3, 1) AS amount_trend,
  domestic_lines / greatest(total_lines, 1) AS domestic_ratio
FROM first_derived
ORDER BY row_number
