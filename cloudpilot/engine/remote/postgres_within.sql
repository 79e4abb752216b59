SET search_path = pg_catalog;
SET statement_timeout = '4s';
SET lock_timeout = '2s';
-- What pg_dump locks and reads: not what belongs to an extension, unless its contents are dumped.
WITH dumped AS (
  SELECT c.relkind, n.nspname, c.relname,
    has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind
      WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
      ELSE has_table_privilege(c.oid, 'SELECT') END AS readable,
    row_security_active(c.oid) AS secured
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND (c.oid = ANY (ARRAY(SELECT unnest(extconfig) FROM pg_extension))
      OR NOT EXISTS (SELECT 1 FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
), named AS (
  SELECT *, encode(convert_to(nspname::text, getdatabaseencoding()), 'hex')
    || ' ' || encode(convert_to(relname::text, getdatabaseencoding()), 'hex') AS name FROM dumped
)
SELECT 'tables ' || count(*) FROM named WHERE relkind <> 'S'
UNION ALL SELECT 'unreadables ' || count(*) FROM named WHERE NOT readable
UNION ALL (SELECT 'unreadable ' || name FROM named WHERE NOT readable ORDER BY nspname, relname LIMIT 12)
UNION ALL (SELECT DISTINCT 'schema ' || split_part(name, ' ', 1) FROM named WHERE NOT readable LIMIT 30)
UNION ALL SELECT 'secureds ' || count(*) FROM named WHERE secured
UNION ALL (SELECT 'secured ' || name FROM named WHERE secured ORDER BY nspname, relname LIMIT 12);
SELECT 'objects', count(*) FROM (
  SELECT 1 FROM pg_largeobject_metadata m
  WHERE NOT current_setting('lo_compat_privileges')::boolean AND NOT EXISTS (
    SELECT 1 FROM aclexplode(coalesce(m.lomacl, acldefault('L', m.lomowner))) a
    WHERE a.privilege_type = 'SELECT'
      AND CASE a.grantee WHEN 0 THEN true ELSE pg_has_role(a.grantee, 'USAGE') END)
    AND NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = current_user AND rolsuper)
  LIMIT 100000) AS closed;
SELECT 'extension', encode(convert_to(extname::text, getdatabaseencoding()), 'hex'),
    encode(convert_to(extversion, getdatabaseencoding()), 'hex')
  FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname LIMIT 100;
SELECT 'subscriptions', count(subname) FROM pg_subscription
  WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database());
