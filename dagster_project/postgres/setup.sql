-- What an administrator (a superuser) runs once with psql, in a database that holds nothing else:
--   createdb sozialraum && psql -d sozialraum -f setup.sql
-- The password of the publisher is set apart (\password sozialraum_publisher); it belongs in a password file.
\set ON_ERROR_STOP on
\set database :DBNAME

create role sozialraum_publisher login createrole;
alter database :"database" owner to sozialraum_publisher;
create extension if not exists postgis;

-- nobody connects, creates or keeps temporary tables without a grant
revoke all on database :"database" from public;
revoke create on schema public from public;
-- large objects are the only thing that everybody may write
revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public;

-- several statements of one transaction see one release; a forgotten transaction does not keep old rows for ever
alter database :"database" set default_transaction_isolation = 'repeatable read';
alter database :"database" set default_transaction_read_only = on;
alter database :"database" set idle_in_transaction_session_timeout = '10min';
alter database :"database" set statement_timeout = '10min';
