-- table: transactions
-- kind: materialized_view
-- description: Invoice lines of known customers over two years; cancellations, gifts and corrections removed.
-- key: customer_id
-- time: invoice_date
WITH both_years AS (
  SELECT "Invoice" AS invoice_no, "StockCode" AS stock_code, "Description" AS description, "Quantity" AS quantity,
         "InvoiceDate" AS invoice_date, "Price" AS unit_price, "Customer ID" AS customer_id, "Country" AS country
  FROM retail_2009_2010
  UNION ALL
  SELECT "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"
  FROM retail_2010_2011
  -- The files overlap in December 2010: the second one counts from the first one's last event on.
  WHERE "InvoiceDate" > (SELECT max("InvoiceDate") FROM retail_2009_2010)
)
SELECT invoice_no, stock_code, description, quantity, invoice_date, unit_price, customer_id, country,
       quantity * unit_price AS amount
FROM both_years
WHERE customer_id IS NOT NULL
  AND quantity > 0
  AND unit_price > 0
  AND NOT starts_with(invoice_no, 'C')
-- The order decides between events of the same instant, so every column that can tell two rows apart takes part.
ORDER BY invoice_date, invoice_no, customer_id, stock_code, quantity, unit_price
