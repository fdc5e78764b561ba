-- A login that tables are read with, and nothing else. Run by the owner of the tables.
-- Put your own names in the place of: ferry_reader, its password, database shop, schema sales.
create role ferry_reader login password 'change-me';
grant connect on database shop to ferry_reader;
grant usage on schema sales to ferry_reader;
grant select on all tables in schema sales to ferry_reader;
-- Tables that the owner makes later.
alter default privileges in schema sales grant select on tables to ferry_reader;
