//! One test for each direction between two engines, or for each target.

/// Tests named `SOURCE_to_TARGET`, each of which calls a function with both engines: all sixteen;
/// the `nine` without MySQL, which MariaDB stands for; those of them that go `over_a_wire`; or those
/// that are listed.
macro_rules! every_direction {
    ($test:ident) => {
        every_direction! { $test:
            postgres_to_postgres: Postgres => Postgres;
            postgres_to_mariadb: Postgres => Mariadb;
            postgres_to_mysql: Postgres => Mysql;
            postgres_to_sqlite: Postgres => Sqlite;
            mariadb_to_postgres: Mariadb => Postgres;
            mariadb_to_mariadb: Mariadb => Mariadb;
            mariadb_to_mysql: Mariadb => Mysql;
            mariadb_to_sqlite: Mariadb => Sqlite;
            mysql_to_postgres: Mysql => Postgres;
            mysql_to_mariadb: Mysql => Mariadb;
            mysql_to_mysql: Mysql => Mysql;
            mysql_to_sqlite: Mysql => Sqlite;
            sqlite_to_postgres: Sqlite => Postgres;
            sqlite_to_mariadb: Sqlite => Mariadb;
            sqlite_to_mysql: Sqlite => Mysql;
            sqlite_to_sqlite: Sqlite => Sqlite;
        }
    };
    (nine: $test:ident) => {
        every_direction! { $test:
            postgres_to_postgres: Postgres => Postgres;
            postgres_to_mariadb: Postgres => Mariadb;
            postgres_to_sqlite: Postgres => Sqlite;
            mariadb_to_postgres: Mariadb => Postgres;
            mariadb_to_mariadb: Mariadb => Mariadb;
            mariadb_to_sqlite: Mariadb => Sqlite;
            sqlite_to_postgres: Sqlite => Postgres;
            sqlite_to_mariadb: Sqlite => Mariadb;
            sqlite_to_sqlite: Sqlite => Sqlite;
        }
    };
    (over_a_wire: $test:ident) => {
        every_direction! { $test:
            postgres_to_postgres: Postgres => Postgres;
            postgres_to_mariadb: Postgres => Mariadb;
            postgres_to_sqlite: Postgres => Sqlite;
            mariadb_to_postgres: Mariadb => Postgres;
            mariadb_to_mariadb: Mariadb => Mariadb;
            mariadb_to_sqlite: Mariadb => Sqlite;
            sqlite_to_postgres: Sqlite => Postgres;
            sqlite_to_mariadb: Sqlite => Mariadb;
        }
    };
    ($test:ident: $($name:ident: $from:ident => $to:ident;)*) => {
        $(
            #[test]
            fn $name() {
                $test(rowferry_testkit::Engine::$from, rowferry_testkit::Engine::$to);
            }
        )*
    };
}

/// Modules of tests, each of which calls a function with every engine as the target.
macro_rules! every_target {
    ($($module:ident: $test:ident;)*) => {
        $(
            mod $module {
                use super::*;

                #[test]
                fn postgres() {
                    $test(rowferry_testkit::Engine::Postgres);
                }

                #[test]
                fn mariadb() {
                    $test(rowferry_testkit::Engine::Mariadb);
                }

                /// As MariaDB in all of this: at full size only.
                #[test]
                fn mysql() {
                    if crate::mixed::is_full() {
                        $test(rowferry_testkit::Engine::Mysql);
                    }
                }

                #[test]
                fn sqlite() {
                    $test(rowferry_testkit::Engine::Sqlite);
                }
            }
        )*
    };
}
