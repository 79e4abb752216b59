SELECT 'version', HEX(VERSION());
SELECT 'comment', HEX(@@version_comment);
SELECT 'account', HEX(CONVERT(CURRENT_USER() USING utf8mb4));
/*!80000 SELECT 'mysql_role', CURRENT_ROLE() WHERE CURRENT_ROLE() <> 'NONE' */;
