SET search_path = pg_catalog;
SET statement_timeout = '6s';
SET lock_timeout = '2s';
SELECT 'version', encode(convert_to(current_setting('server_version'), 'UTF8'), 'hex');
SELECT 'number', current_setting('server_version_num');
SELECT 'account', encode(convert_to(current_user::text, getdatabaseencoding()), 'hex');
SELECT 'may', 'super' FROM pg_roles WHERE rolname = current_user AND rolsuper;
SELECT 'may', 'bypass' FROM pg_roles WHERE rolname = current_user AND rolbypassrls;
SELECT 'may', 'read' FROM pg_roles WHERE rolname = 'pg_read_all_data' AND pg_has_role(oid, 'USAGE');
SELECT 'database', encode(convert_to(datname::text, getdatabaseencoding()), 'hex'),
    CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid)::text ELSE '-' END,
    datallowconn AND has_database_privilege(oid, 'CONNECT'), datallowconn
  FROM pg_database
  WHERE datname NOT IN ('template0', 'template1')
  ORDER BY datname LIMIT 1000;
