-- SPDX-License-Identifier: MIT
-- In-memory inserts, joins and indexes.
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer INTEGER, article TEXT, amount REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
INSERT INTO customer SELECT i, 'customer ' || i, 'city ' || (i * 7919 % 101) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO purchase SELECT i, i * 104729 % 8000 + 1, 'article ' || (i * 31 % 997), i % 1000 / 10.0 FROM n;
CREATE INDEX purchase_customer ON purchase (customer, article);
CREATE INDEX customer_city ON customer (city);
SELECT city, count(*), round(sum(amount), 1) FROM customer JOIN purchase ON purchase.customer = customer.id
GROUP BY city ORDER BY 3 DESC LIMIT 5;
SELECT article, group_concat(DISTINCT city) FROM purchase JOIN customer ON purchase.customer = customer.id
WHERE article LIKE 'article 12%' GROUP BY article ORDER BY article LIMIT 3;
UPDATE purchase SET article = upper(article) || '!' WHERE customer % 3 = 0;
SELECT count(DISTINCT upper(substr(article, 1, 10))), max(length(printf('%s-%08d', article, id))) FROM purchase;
SELECT count(*) FROM (SELECT name FROM customer ORDER BY substr(name, -2), name);
DELETE FROM purchase WHERE customer IN (SELECT id FROM customer WHERE city IN ('city 3', 'city 5'));
SELECT count(*), round(sum(amount), 1) FROM purchase;
