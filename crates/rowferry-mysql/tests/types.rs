//! Every type from server to server, judged by the databases' own dump of both ends.

use rowferry_core::Consistency;

use crate::copy::{Copy, Wanted, block_on, endpoint};
use crate::servers;

const TABLE: &str =
    "create table t (id bigint not null primary key, i8 tinyint, u8 tinyint unsigned,
 i16 smallint, u16 smallint unsigned, i24 mediumint, u24 mediumint unsigned, i32 int,
 u32 int unsigned, u64 bigint unsigned, flag tinyint(1), f float, d double, dec1 decimal(12,2),
 dec2 decimal(38,10), dec3 decimal(65,30), b1 bit(1), b64 bit(64), b10 bit(10), c char(5),
 v varchar(50), tx text, lt longtext, l1 varchar(20) character set latin1, bin binary(4),
 vb varbinary(20), bl blob, dt date, tm time, tm6 time(6), ts datetime, ts6 datetime(6),
 stamp timestamp(3) null, y year,
 e enum('a','it''s','x,y','ä') collate utf8mb4_bin, j json) character set utf8mb4;
 insert into t (id) values (0);
 insert into t values (1,-128,255,-32768,65535,-8388608,16777215,-2147483648,4294967295,
 18446744073709551615,5,8388607.5,1.7976931348623157e308,-9999999999.99,
 -1234567890123456789012345678.0123456789,
 12345678901234567890123456789012345.123456789012345678901234567890,b'1',~0,b'1000000001','ab',
 'tab\\tnl\\nback\\\\slash\\0nul\\'q\\r', '😀 äöü ','','é',x'00ff',x'00090a5c1a0d27','',
 '9999-12-31','-838:59:58','838:59:58.999999','2024-02-29 23:59:59',
 '0001-01-01 00:00:00.000001','2038-01-19 03:14:07.999',2155,'it\\'s','{\"a\": [1, 2.5, null]}');
 insert into t values (2,127,0,32767,0,8388607,0,2147483647,0,0,0,1.0000001,-5e-324,0.01,0,
 -0.000000000000000000000000000001,b'0',0,0,'','   ','\\\\N','a\\nb','',x'5c4e0000',x'5c',
 x'efbbbf','1000-01-01','00:00:00','-00:00:00.000001','1970-01-01 00:00:00',
 '2024-03-31 02:30:00.123456','1970-01-01 00:00:01.001',0,'ä','\"x\\\\\"y\"')";

const DUMP: &str = "select id,i8,u8,i16,u16,i24,u24,i32,u32,u64,flag,f+0e0,d,dec1,dec2,dec3,hex(b1),
 hex(b64),hex(b10),hex(c),hex(v),hex(tx),hex(lt),hex(convert(l1 using utf8mb4)),hex(bin),hex(vb),hex(bl),dt,tm,tm6,ts,ts6,stamp,
 y,hex(e),json_extract(j,'$') from TABLE order by id";

#[test]
fn every_type_arrives_exactly_from_each_fork_in_each() {
    let servers = servers::alone();
    for from in &servers {
        for to in &servers {
            for load in ["1", "0"] {
                let name = format!("types_{}_{}_{load}", from.name, to.name);
                let (source, target) =
                    (from.database(&name), to.database(&format!("{name}_target")));
                from.sql(&source, TABLE);
                to.sql("mysql", &format!("set global local_infile = {load}"));
                block_on(async {
                    let (from, to) = (endpoint(from, &source), endpoint(to, &target));
                    let mut wanted = Wanted::full("t", "copied", &["id"]);
                    wanted.consistency = Consistency::Table;
                    let copy = Copy::plan(&from, &to, &wanted).await.unwrap();
                    copy.run().await.unwrap();
                    assert_eq!(copy.replays.into_inner(), 0, "{name} was not loaded");
                });
                let expected = from.sql(&source, &DUMP.replace("TABLE", "t"));
                let found = to.sql(&target, &DUMP.replace("TABLE", "copied"));
                assert_eq!(found, expected, "{name}");
            }
            to.sql("mysql", "set global local_infile = 1");
        }
    }
}

#[test]
fn zero_dates_stay_zero_between_servers_of_this_kind() {
    for server in servers::all() {
        let database = server.database("zero");
        server.sql(
            &database,
            "set sql_mode = ''; create table t (id int primary key, d date, ts datetime(3));
             insert into t values (1, '0000-00-00', '0000-00-00')",
        );
        block_on(async {
            let at = endpoint(server, &database);
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "z", &["id"])).await.unwrap();
            copy.run().await.unwrap();
        });
        assert_eq!(
            server.sql(&database, "select * from z"),
            "1\t0000-00-00\t0000-00-00 00:00:00.000\n"
        );
    }
}
