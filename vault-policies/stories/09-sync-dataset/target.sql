-- Two datasets that leave the house, each a view without what does not, and a reader for each.
create table sold (region text not null, day date not null, amount numeric not null, customer text not null);
insert into sold values ('eu', '2026-11-27', 10, 'c-1'), ('us', '2026-11-27', 20, 'c-2');
create view orders_eu as select day, amount from sold where region = 'eu';
create view orders_us as select day, amount from sold where region = 'us';
create role orders_eu_reader nologin;
create role orders_us_reader nologin;
grant select on orders_eu to orders_eu_reader;
grant select on orders_us to orders_us_reader;
