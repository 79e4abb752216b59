/*M!100101 SET SESSION max_statement_time = 8 */;
/*!50708 SET SESSION max_execution_time = 8000 */;
SET SESSION lock_wait_timeout = 2;
SET SESSION sql_mode = '';
SELECT 'database', HEX(CONVERT(schema_name USING utf8mb4))
  FROM information_schema.schemata
  WHERE LOWER(schema_name) NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
  ORDER BY schema_name LIMIT 1000;
SELECT 'proc', COUNT(*) FROM mysql.proc;
SELECT 'size', HEX(CONVERT(table_schema USING utf8mb4)),
    SUM(table_type <> 'VIEW'), COALESCE(SUM(data_length + index_length), 0)
  FROM information_schema.tables
  WHERE LOWER(table_schema) NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
  GROUP BY table_schema
  UNION ALL SELECT 'sized', '', 0, 0;
SELECT 'plains', HEX(CONVERT(table_schema USING utf8mb4)), COUNT(*)
  FROM information_schema.tables
  WHERE LOWER(table_schema) NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
    AND table_type <> 'VIEW'
    AND engine IN (SELECT engine FROM information_schema.engines WHERE transactions <> 'YES' AND engine <> 'MEMORY')
  GROUP BY table_schema;
SELECT 'plain', HEX(CONVERT(table_schema USING utf8mb4)), HEX(CONVERT(table_name USING utf8mb4))
  FROM information_schema.tables
  WHERE LOWER(table_schema) NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
    AND table_type <> 'VIEW'
    AND engine IN (SELECT engine FROM information_schema.engines WHERE transactions <> 'YES' AND engine <> 'MEMORY')
  LIMIT 300;
/* Asked for data_length, MariaDB opens a view: only then does its comment say that it is broken. */
SELECT 'brokens', HEX(CONVERT(table_schema USING utf8mb4)), COUNT(*)
  FROM information_schema.tables
  WHERE LOWER(table_schema) NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
    AND table_type = 'VIEW' AND data_length IS NULL AND table_comment <> 'VIEW'
  GROUP BY table_schema;
SELECT 'broken', HEX(CONVERT(table_schema USING utf8mb4)), HEX(CONVERT(table_name USING utf8mb4))
  FROM information_schema.tables
  WHERE LOWER(table_schema) NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
    AND table_type = 'VIEW' AND data_length IS NULL AND table_comment <> 'VIEW'
  LIMIT 300;
