-- The log store: whoever reads a service's logs sees a view of that service's lines.
create table logs (service text not null, at timestamptz not null default now(), line text not null);
create view logs_payments as select at, line from logs where service = 'payments';
create view logs_search as select at, line from logs where service = 'search';
create role logs_payments_reader nologin;
create role logs_search_reader nologin;
grant select on logs_payments to logs_payments_reader;
grant select on logs_search to logs_search_reader;
