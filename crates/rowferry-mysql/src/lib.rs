//! Source and sink over mysql_async, for MySQL and MariaDB.
