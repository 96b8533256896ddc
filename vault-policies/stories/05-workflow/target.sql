-- Where the steps work: one reads orders, the other adds to the warehouse.
create table orders (id int primary key, amount numeric not null);
insert into orders values (1, 10), (2, 20);
create table warehouse (id int not null, amount numeric not null);
create role orders_reader nologin;
create role warehouse_writer nologin;
grant select on orders to orders_reader;
grant insert on warehouse to warehouse_writer;
