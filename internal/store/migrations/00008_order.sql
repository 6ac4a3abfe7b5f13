-- Orders, their lines, payments and refunds. Money is in fen.

-- +goose Up
CREATE TABLE orders (
    id            TEXT PRIMARY KEY,
    holder_kind   TEXT NOT NULL,
    account_id    TEXT NOT NULL,
    enterprise_id TEXT NOT NULL,
    state         TEXT NOT NULL,
    total         BIGINT NOT NULL,
    reason        TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    paid_at       BIGINT NOT NULL,
    ended_at      BIGINT NOT NULL,
    version       BIGINT NOT NULL
);
CREATE INDEX orders_account ON orders (account_id, id);
CREATE INDEX orders_unpaid ON orders (account_id, expires_at) WHERE state = 'unpaid';

-- One row for each account that ever ordered: who places an order locks it, so
-- that orders placed at once are counted one after the other.
CREATE TABLE order_buyers (
    account_id TEXT PRIMARY KEY,
    orders     BIGINT NOT NULL
);

CREATE TABLE order_lines (
    id          TEXT PRIMARY KEY,
    order_id    TEXT NOT NULL REFERENCES orders (id),
    position    BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    institution TEXT NOT NULL,
    years       BIGINT NOT NULL,
    platform    TEXT NOT NULL,
    price       BIGINT NOT NULL,
    state       TEXT NOT NULL
);
CREATE UNIQUE INDEX order_lines_order ON order_lines (order_id, position);

CREATE TABLE payments (
    id         TEXT PRIMARY KEY,
    order_id   TEXT NOT NULL REFERENCES orders (id),
    gateway    TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    state      TEXT NOT NULL,
    url        TEXT NOT NULL,
    trade      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    paid_at    BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX payments_order ON payments (order_id, id);
CREATE UNIQUE INDEX payments_open ON payments (order_id, gateway) WHERE state = 'open';

CREATE TABLE refunds (
    id         TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    order_id   TEXT NOT NULL REFERENCES orders (id),
    -- The line that is refunded; empty: the payment as a whole, because it came
    -- for an order that no longer wanted it.
    line_id    TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    asked_at   BIGINT NOT NULL, -- when its job was last enqueued
    ended_at   BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX refunds_once ON refunds (payment_id, line_id) WHERE state <> 'failed';
CREATE INDEX refunds_order ON refunds (order_id, id);

-- +goose Down
DROP TABLE refunds;
DROP TABLE payments;
DROP TABLE order_lines;
DROP TABLE order_buyers;
DROP TABLE orders;
