-- name: OrdersAfter :many
SELECT * FROM orders WHERE id > @after ORDER BY id LIMIT @max_orders;
