-- A login that tables are written with, for MySQL and MariaDB.
-- Put your own names in the place of: ferry_writer, its password, database warehouse.
create user 'ferry_writer'@'%' identified by 'change-me';
-- Rows and progress.
grant select, insert, update, delete on `warehouse`.* to 'ferry_writer'@'%';
-- New tables, staging tables, their keys and their exchange.
grant create, alter, drop on `warehouse`.* to 'ferry_writer'@'%';
-- Upserts only: rows are merged from a temporary table.
grant create temporary tables on `warehouse`.* to 'ferry_writer'@'%';
