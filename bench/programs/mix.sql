-- A table filled by a recursive query, an index, a join with grouping, a window function and an update. How many rows is
-- in the table size.
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, price REAL, name TEXT);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT rows FROM size))
INSERT INTO item SELECT i, (i * 7919) % 101, (i * 104729 % 10007) / 8.0, 'item-' || (i * 31 % 9973) FROM n;
CREATE INDEX item_kind ON item (kind, price);
CREATE TABLE kind (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO kind SELECT DISTINCT kind, 'kind ' || kind FROM item;
SELECT k.label, count(*), round(sum(i.price), 3), max(i.name) FROM item i JOIN kind k ON k.id = i.kind
GROUP BY k.id ORDER BY 3 DESC, 1 LIMIT 5;
SELECT count(*), sum(length(name)) FROM item WHERE name LIKE '%9_';
UPDATE item SET price = price * 2 WHERE kind IN (SELECT id FROM kind WHERE label LIKE '%7');
SELECT id, price, place FROM (SELECT id, price, rank() OVER (PARTITION BY kind ORDER BY price DESC, id) AS place FROM item)
WHERE place = 1 ORDER BY price DESC, id LIMIT 5;
PRAGMA integrity_check;
