-- A login that tables are read with, and nothing else, for MySQL and MariaDB.
-- Put your own names in the place of: ferry_reader, its password, database shop.
create user 'ferry_reader'@'%' identified by 'change-me';
grant select on `shop`.* to 'ferry_reader'@'%';
-- Incremental copies only: open transactions are seen by it, so that no late row is missed.
grant process on *.* to 'ferry_reader'@'%';
