-- A login that tables are written with. Run by the owner of the database.
-- Put your own names in the place of: ferry_writer, its password, database warehouse, schema dwh.
create role ferry_writer login password 'change-me';
grant connect on database warehouse to ferry_writer;
-- New tables, staging tables and the progress tables; what the login makes is its own.
grant usage, create on schema dwh to ferry_writer;
-- Upserts only: rows are merged from a temporary table.
grant temporary on database warehouse to ferry_writer;
-- Only where rows go into tables of somebody else, by append or upsert. To replace such a table the
-- login must own it: alter table dwh.orders owner to ferry_writer;
grant select, insert, update, delete on all tables in schema dwh to ferry_writer;
