-- The sample database, and the group role whose rights every leased login has.
create table sales (day date primary key, amount numeric not null);
insert into sales select current_date - n, 100 + n from generate_series(1, 30) as n;
create role report_reader nologin;
grant select on sales to report_reader;
