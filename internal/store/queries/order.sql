-- name: InsertOrder :exec
INSERT INTO orders (id, holder_kind, account_id, enterprise_id, state, total, reason, created_at, expires_at, paid_at, ended_at, version)
VALUES (@id, @holder_kind, @account_id, @enterprise_id, @state, @total, @reason, @created_at, @expires_at, @paid_at, @ended_at, @version);

-- name: InsertOrderLine :exec
INSERT INTO order_lines (id, order_id, position, kind, institution, years, platform, price, state)
VALUES (@id, @order_id, @position, @kind, @institution, @years, @platform, @price, @state);

-- name: GetOrder :one
SELECT * FROM orders WHERE id = @id;

-- name: GetOrderOfLine :one
SELECT o.* FROM orders o JOIN order_lines l ON l.order_id = o.id WHERE l.id = @line_id;

-- name: ListOrderLines :many
SELECT * FROM order_lines WHERE order_id = @order_id ORDER BY position;

-- name: ListOrders :many
SELECT * FROM orders WHERE account_id = @account_id AND enterprise_id = @enterprise_id AND (CAST(@before AS TEXT) = '' OR id < CAST(@before AS TEXT))
ORDER BY id DESC LIMIT @max_orders;

-- name: ListUnpaidOrders :many
SELECT * FROM orders WHERE account_id = @account_id AND enterprise_id = @enterprise_id AND state = 'unpaid' AND expires_at > @now ORDER BY id DESC;

-- name: ListUnpaidOrderLines :many
SELECT l.* FROM orders o JOIN order_lines l ON l.order_id = o.id
WHERE o.account_id = @account_id AND o.enterprise_id = @enterprise_id AND o.state = 'unpaid' AND o.expires_at > @now ORDER BY l.order_id, l.position;

-- name: LockOrderBuyer :exec
INSERT INTO order_buyers (account_id, orders) VALUES (@account_id, 1)
ON CONFLICT (account_id) DO UPDATE SET orders = order_buyers.orders + 1;

-- name: CountUnpaidOrders :one
SELECT COUNT(*) FROM orders WHERE account_id = @account_id AND state = 'unpaid' AND expires_at > @now;

-- name: ListUnfinishedOrders :many
SELECT * FROM orders WHERE account_id = @account_id AND state IN ('unpaid', 'paid', 'refunding') ORDER BY id;

-- name: UpdateOrder :execrows
UPDATE orders SET state = @state, reason = @reason, paid_at = @paid_at, ended_at = @ended_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: UpdateOrderLine :execrows
UPDATE order_lines SET state = @state WHERE id = @id;

-- name: InsertPayment :exec
INSERT INTO payments (id, order_id, gateway, amount, state, url, trade, created_at, expires_at, paid_at, version)
VALUES (@id, @order_id, @gateway, @amount, @state, @url, @trade, @created_at, @expires_at, @paid_at, @version);

-- name: GetPayment :one
SELECT * FROM payments WHERE id = @id;

-- name: ListPayments :many
SELECT * FROM payments WHERE order_id = @order_id ORDER BY id;

-- name: UpdatePayment :execrows
UPDATE payments SET state = @state, url = @url, trade = @trade, paid_at = @paid_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: InsertRefund :exec
INSERT INTO refunds (id, payment_id, order_id, line_id, amount, state, reason, created_at, asked_at, ended_at, version)
VALUES (@id, @payment_id, @order_id, @line_id, @amount, @state, @reason, @created_at, @asked_at, @ended_at, @version);

-- name: GetRefund :one
SELECT * FROM refunds WHERE id = @id;

-- name: ListRefunds :many
SELECT * FROM refunds WHERE order_id = @order_id ORDER BY id;

-- name: UpdateRefund :execrows
UPDATE refunds SET state = @state, asked_at = @asked_at, ended_at = @ended_at, version = version + 1 WHERE id = @id AND version = @version;
